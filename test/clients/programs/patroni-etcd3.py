"""What Patroni does with etcd: its own store on the JSON gateway, as two of its nodes use it. Its package's tests mock etcd.

Argument: `host:port`.
"""

import json
import os
import sys
import threading
import time
import traceback

from patroni.dcs import get_dcs
from patroni.dcs.etcd3 import Etcd3ClientError

HOST = sys.argv[1]
TTL_SECONDS = 3

failures = 0


def node(name, **more):
    return get_dcs({
        'scope': 'main', 'namespace': '/service/', 'name': name, 'ttl': TTL_SECONDS, 'loop_wait': 1, 'retry_timeout': 3,
        'etcd3': {'host': HOST, **more},
    })


def check(run):
    global failures
    name = run.__name__.replace('_', ' ')
    try:
        run()
        print(f'ok {name}', flush=True)
    except Exception:
        failures += 1
        print(f'not ok {name}', flush=True)
        traceback.print_exc()


def until(condition, seconds=10):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, 'it did not come to that in time'
        time.sleep(0.05)


def leader_name(dcs):
    cluster = dcs.get_cluster()
    return cluster.leader and cluster.leader.name


one = node('one')
two = node('two')


@check
def a_cluster_is_initialized_once():
    assert one.initialize(True, '7001')
    assert not two.initialize(True, '7002')
    until(lambda: two.get_cluster().initialize == '7001')


@check
def members_are_seen_by_each_other():
    for dcs, role in ((one, 'primary'), (two, 'replica')):
        assert dcs.touch_member({'role': role, 'conn_url': f'postgres://{dcs._name}/', 'state': 'running'})
    until(lambda: {m.name for m in two.get_cluster().members} == {'one', 'two'})
    assert two.get_cluster().get_member('one').data['role'] == 'primary'


@check
def the_leader_lock_has_one_owner():
    assert one.attempt_to_acquire_leader()
    assert not two.attempt_to_acquire_leader()
    until(lambda: leader_name(two) == 'one')


@check
def the_leader_keeps_its_lock_beyond_its_time_to_live():
    end = time.time() + 2 * TTL_SECONDS
    while time.time() < end:
        assert one.update_leader(one.get_cluster(), 1000, {'slot': 5}, ['one', 'two'])
        time.sleep(0.5)
    assert leader_name(two) == 'one'
    until(lambda: two.get_cluster().status.last_lsn == 1000)
    assert two.get_cluster().status.slots['slot'] == 5


@check
def config_and_failover_are_written_only_over_the_version_that_was_read():
    assert one.set_config_value(json.dumps({'ttl': TTL_SECONDS}))
    until(lambda: two.get_cluster().config is not None)
    version = two.get_cluster().config.version
    assert two.set_config_value(json.dumps({'ttl': 4}), version)
    assert not one.set_config_value(json.dumps({'ttl': 5}), version)
    assert one.manual_failover('one', 'two')
    until(lambda: two.get_cluster().failover is not None)
    failover = two.get_cluster().failover
    assert (failover.leader, failover.candidate) == ('one', 'two')
    assert two.manual_failover('', '', version=failover.version)
    until(lambda: not one.get_cluster().failover.candidate)


@check
def sync_state_and_history():
    state = one.write_sync_state('one', ['two'], 0)
    assert state and not two.write_sync_state('two', [], 0, version='1')
    assert two.write_sync_state('one', [], 0, version=state.version)
    until(lambda: one.get_cluster().sync.version != state.version)
    assert one.delete_sync_state(one.get_cluster().sync.version)
    assert one.set_history_value(json.dumps([[1, 2, 'reason']]))
    until(lambda: two.get_cluster().history is not None)


@check
def a_wait_ends_when_the_leader_key_goes():
    until(lambda: leader_name(two) == 'one')
    # What has woken it before.
    two.event.clear()
    waiting = threading.Thread(target=two.watch, args=(None, 30))
    waiting.start()
    assert one.delete_leader(one.get_cluster().leader)
    waiting.join(10)
    assert not waiting.is_alive()
    until(lambda: leader_name(two) is None)


@check
def the_lock_of_one_that_is_gone_runs_out_and_another_one_takes_it():
    three = node('three')
    assert three.attempt_to_acquire_leader()
    until(lambda: leader_name(two) == 'three')
    assert not two.attempt_to_acquire_leader()
    until(lambda: leader_name(two) is None, 4 * TTL_SECONDS)
    assert two.attempt_to_acquire_leader()
    assert leader_name(two) == 'two'


@check
def a_lease_that_is_gone_is_replaced():
    two._client.call_rpc('/lease/revoke', {'ID': two._lease})
    until(lambda: leader_name(one) is None)
    assert two.attempt_to_acquire_leader()
    assert two.touch_member({'state': 'running'})
    until(lambda: leader_name(one) == 'two')


@check
def users_with_passwords_and_tokens():
    call = one._client.call_rpc
    call('/auth/user/add', {'name': 'root', 'password': 'secret'})
    call('/auth/role/add', {'name': 'root'})
    call('/auth/user/grant', {'user': 'root', 'role': 'root'})
    call('/auth/enable', {})
    try:
        known = node('known', username='root', password='secret')
        assert known.touch_member({'state': 'running'})
        until(lambda: known.get_cluster().get_member('known', fallback_to_leader=False) is not None)
        try:
            two._client.call_rpc('/kv/range', {'key': 'YQ=='})
            raise AssertionError('one without a name is served')
        except Etcd3ClientError:
            pass
    finally:
        known._client.call_rpc('/auth/disable', {})


@check
def the_cluster_is_removed():
    assert two.delete_cluster()
    until(lambda: not two.get_cluster().members and two.get_cluster().initialize is None)


sys.stdout.flush()
# The watchers are threads that do not end.
os._exit(failures != 0)
