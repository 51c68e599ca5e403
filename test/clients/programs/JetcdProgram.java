// What users of jetcd do with it, against any store. Its own tests start etcd in containers.
//
// Arguments: `host:port` without TLS, `host:port` with mutual TLS, and a folder with ca.pem, client.pem and client.key (PKCS #8).

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.SECONDS;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.Election;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.Lease;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.auth.Permission;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.kv.TxnResponse;
import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.support.CloseableClient;
import io.etcd.jetcd.watch.WatchEvent;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeoutException;

public class JetcdProgram {
  interface Check {
    void run() throws Exception;
  }

  static int failures = 0;

  static void check(String name, Check check) {
    try {
      check.run();
      System.out.println("ok " + name);
    } catch (Throwable error) {
      failures++;
      System.out.println("not ok " + name);
      error.printStackTrace(System.out);
    }
  }

  static void same(Object found, Object wanted) {
    if (!wanted.equals(found)) throw new AssertionError("found " + found + ", wanted " + wanted);
  }

  static ByteSequence bytes(String text) {
    return ByteSequence.from(text, UTF_8);
  }

  static <T> T soon(CompletableFuture<T> future) throws Exception {
    return future.get(10, SECONDS);
  }

  static void refused(CompletableFuture<?> future, String text) throws Exception {
    try {
      soon(future);
    } catch (ExecutionException error) {
      if (String.valueOf(error.getCause()).contains(text)) return;
      throw new AssertionError("wanted " + text, error);
    }
    throw new AssertionError("it was not refused");
  }

  public static void main(String[] arguments) throws Exception {
    Client client = Client.builder().endpoints("http://" + arguments[0]).build();
    KV kv = client.getKVClient();

    check("put, get, prefixes, order, limits and counts", () -> {
      for (String key : List.of("kv/a", "kv/b", "kv/c")) soon(kv.put(bytes(key), bytes("of " + key)));
      same(soon(kv.get(bytes("kv/b"))).getKvs().get(0).getValue().toString(), "of kv/b");
      GetOption.Builder prefix = GetOption.builder().isPrefix(true);
      same(soon(kv.get(bytes("kv/"), prefix.withCountOnly(true).build())).getCount(), 3L);
      var last = GetOption.builder().isPrefix(true).withLimit(1).withSortField(GetOption.SortTarget.KEY)
          .withSortOrder(GetOption.SortOrder.DESCEND).build();
      same(soon(kv.get(bytes("kv/"), last)).getKvs().get(0).getKey().toString(), "kv/c");
      var deleted = soon(kv.delete(bytes("kv/"), DeleteOption.builder().isPrefix(true).withPrevKV(true).build()));
      same(deleted.getDeleted() + " " + deleted.getPrevKvs().size(), "3 3");
    });

    check("older revisions, and what is compacted", () -> {
      long first = soon(kv.put(bytes("old"), bytes("1"))).getHeader().getRevision();
      long second = soon(kv.put(bytes("old"), bytes("2"))).getHeader().getRevision();
      GetOption before = GetOption.builder().withRevision(first).build();
      same(soon(kv.get(bytes("old"), before)).getKvs().get(0).getValue().toString(), "1");
      soon(kv.compact(second));
      refused(kv.get(bytes("old"), before), "compacted");
    });

    check("transactions", () -> {
      Cmp isNew = new Cmp(bytes("txn"), Cmp.Op.EQUAL, CmpTarget.version(0));
      Op put = Op.put(bytes("txn"), bytes("mine"), PutOption.DEFAULT);
      Op get = Op.get(bytes("txn"), GetOption.DEFAULT);
      same(soon(kv.txn().If(isNew).Then(put).Else(get).commit()).isSucceeded(), true);
      TxnResponse second = soon(kv.txn().If(isNew).Then(put).Else(get).commit());
      same(second.isSucceeded(), false);
      same(second.getGetResponses().get(0).getKvs().get(0).getValue().toString(), "mine");
    });

    check("leases are kept alive, counted and revoked", () -> {
      Lease lease = client.getLeaseClient();
      long id = soon(lease.grant(2)).getID();
      soon(kv.put(bytes("leased"), bytes("x"), PutOption.builder().withLeaseId(id).build()));
      BlockingQueue<Long> kept = new LinkedBlockingQueue<>();
      CloseableClient keeper = lease.keepAlive(id, new StreamObserver<LeaseKeepAliveResponse>() {
        public void onNext(LeaseKeepAliveResponse response) {
          kept.add(response.getTTL());
        }

        public void onError(Throwable error) {}

        public void onCompleted() {}
      });
      for (int i = 0; i < 3; i++) same(kept.poll(10, SECONDS), 2L);
      var rest = soon(lease.timeToLive(id, LeaseOption.builder().withAttachedKeys().build()));
      same(rest.getGrantedTTL() + " " + rest.getKeys().get(0), "2 leased");
      keeper.close();
      soon(lease.revoke(id));
      same(soon(kv.get(bytes("leased"))).getCount(), 0L);
      refused(lease.revoke(id), "requested lease not found");
    });

    check("a lease that nobody keeps runs out", () -> {
      long id = soon(client.getLeaseClient().grant(1)).getID();
      BlockingQueue<WatchEvent> events = new LinkedBlockingQueue<>();
      try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("runs out"), each -> events.addAll(each.getEvents()))) {
        soon(kv.put(bytes("runs out"), bytes("x"), PutOption.builder().withLeaseId(id).build()));
        same(events.poll(10, SECONDS).getEventType(), WatchEvent.EventType.PUT);
        same(events.poll(10, SECONDS).getEventType(), WatchEvent.EventType.DELETE);
      }
    });

    check("watches tell of a prefix, of what was before, and of history", () -> {
      BlockingQueue<WatchEvent> events = new LinkedBlockingQueue<>();
      WatchOption prefix = WatchOption.builder().isPrefix(true).withPrevKV(true).build();
      long revision;
      try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("w/"), prefix, each -> events.addAll(each.getEvents()))) {
        revision = soon(kv.put(bytes("w/a"), bytes("1"))).getHeader().getRevision();
        soon(kv.put(bytes("elsewhere"), bytes("1")));
        soon(kv.put(bytes("w/a"), bytes("2")));
        soon(kv.delete(bytes("w/a")));
        List<String> seen = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
          WatchEvent event = events.poll(10, SECONDS);
          seen.add(event.getEventType() + event.getKeyValue().getValue().toString() + event.getPrevKV().getValue());
        }
        same(seen, List.of("PUT1", "PUT21", "DELETE2"));
      }
      WatchOption history = WatchOption.builder().withRevision(revision).withNoPut(true).build();
      try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("w/a"), history, each -> events.addAll(each.getEvents()))) {
        same(events.poll(10, SECONDS).getEventType(), WatchEvent.EventType.DELETE);
      }
    });

    check("a watch of what is compacted fails", () -> {
      CompletableFuture<Void> failed = new CompletableFuture<>();
      Watch.Listener listener = Watch.listener(each -> {}, failed::completeExceptionally);
      try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("w/a"), WatchOption.builder().withRevision(1).build(), listener)) {
        refused(failed, "compacted");
      }
    });

    check("a lock has one owner, and passes on", () -> {
      long first = soon(client.getLeaseClient().grant(10)).getID();
      long second = soon(client.getLeaseClient().grant(10)).getID();
      ByteSequence key = soon(client.getLockClient().lock(bytes("lock"), first)).getKey();
      var waiting = client.getLockClient().lock(bytes("lock"), second);
      try {
        waiting.get(300, java.util.concurrent.TimeUnit.MILLISECONDS);
        throw new AssertionError("two have it");
      } catch (TimeoutException stillWaits) {
        soon(client.getLockClient().unlock(key));
      }
      soon(client.getLockClient().unlock(soon(waiting).getKey()));
    });

    check("an election has a leader, observers and a next one", () -> {
      Election election = client.getElectionClient();
      long first = soon(client.getLeaseClient().grant(10)).getID();
      long second = soon(client.getLeaseClient().grant(10)).getID();
      BlockingQueue<String> leaders = new LinkedBlockingQueue<>();
      election.observe(bytes("election"), new Election.Listener() {
        public void onNext(LeaderResponse response) {
          leaders.add(response.getKv().getValue().toString());
        }

        public void onError(Throwable error) {}

        public void onCompleted() {}
      });
      var key = soon(election.campaign(bytes("election"), first, bytes("one"))).getLeader();
      same(leaders.poll(10, SECONDS), "one");
      var waiting = election.campaign(bytes("election"), second, bytes("two"));
      soon(election.proclaim(key, bytes("one again")));
      same(leaders.poll(10, SECONDS), "one again");
      same(soon(election.leader(bytes("election"))).getKv().getValue().toString(), "one again");
      soon(election.resign(key));
      soon(waiting);
      same(leaders.poll(10, SECONDS), "two");
    });

    check("status, members, alarms and hashes", () -> {
      var status = soon(client.getMaintenanceClient().statusMember("http://" + arguments[0]));
      same(status.getVersion().startsWith("3.7."), true);
      var members = soon(client.getClusterClient().listMember()).getMembers();
      same(members.size() + " " + members.get(0).getId(), "1 " + status.getLeader());
      same(soon(client.getMaintenanceClient().listAlarms()).getAlarms().size(), 0);
      soon(client.getMaintenanceClient().hashKV("http://" + arguments[0], 0));
      soon(client.getMaintenanceClient().defragmentMember("http://" + arguments[0]));
    });

    check("a namespace", () -> {
      try (Client within = Client.builder().endpoints("http://" + arguments[0]).namespace(bytes("space/")).build()) {
        soon(within.getKVClient().put(bytes("key"), bytes("x")));
        same(soon(kv.get(bytes("space/key"))).getCount(), 1L);
        same(soon(within.getKVClient().get(bytes("key"))).getKvs().get(0).getKey().toString(), "key");
      }
    });

    check("mutual TLS", () -> {
      File ca = new File(arguments[2], "ca.pem");
      File certificate = new File(arguments[2], "client.pem");
      File key = new File(arguments[2], "client.key");
      try (Client known = Client.builder().endpoints("https://" + arguments[1]).authority("localhost")
          .sslContext(each -> each.trustManager(ca).keyManager(certificate, key)).build()) {
        soon(known.getKVClient().put(bytes("tls"), bytes("yes")));
      }
      same(soon(kv.get(bytes("tls"))).getCount(), 1L);
    });

    check("users, roles and permissions", () -> {
      var auth = client.getAuthClient();
      for (String name : List.of("root", "ann")) soon(auth.userAdd(bytes(name), bytes("secret")));
      for (String name : List.of("root", "reader")) soon(auth.roleAdd(bytes(name)));
      soon(auth.userGrantRole(bytes("root"), bytes("root")));
      soon(auth.userGrantRole(bytes("ann"), bytes("reader")));
      soon(auth.roleGrantPermission(bytes("reader"), bytes("open/"), bytes("open0"), Permission.Type.READ));
      same(soon(auth.userGet(bytes("ann"))).getRoles(), List.of("reader"));
      soon(auth.authEnable());
      Client root = as(arguments[0], "root", "secret");
      try (Client ann = as(arguments[0], "ann", "secret"); Client stranger = as(arguments[0], "ann", "wrong")) {
        soon(root.getKVClient().put(bytes("open/key"), bytes("x")));
        same(soon(ann.getKVClient().get(bytes("open/key"))).getCount(), 1L);
        refused(ann.getKVClient().put(bytes("open/key"), bytes("y")), "permission denied");
        // So the client calls a login that is refused.
        refused(stranger.getKVClient().get(bytes("open/key")), "UNAUTHENTICATED");
      } finally {
        soon(root.getAuthClient().authDisable());
        root.close();
      }
    });

    client.close();
    System.exit(failures == 0 ? 0 : 1);
  }

  static Client as(String address, String name, String password) {
    return Client.builder().endpoints("http://" + address).user(bytes(name)).password(bytes(password)).build();
  }
}
