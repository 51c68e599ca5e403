package main

import (
	"errors"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// More revisions than any store of a test has.
const farRevisions = 1 << 40

var kvScenarios = []scenario{
	{"revisions that are gone and to come", func(s *store) (facts, error) {
		if err := s.puts("a", "1", "2", "3"); err != nil {
			return nil, err
		}
		if _, err := s.Compact(s.ctx, s.base+2); err != nil {
			return nil, err
		}
		_, gone := s.KV.Get(s.ctx, s.key("a"), clientv3.WithRev(s.base+1))
		_, toCome := s.KV.Get(s.ctx, s.key("a"), clientv3.WithRev(s.base+farRevisions))
		_, compactGone := s.Compact(s.ctx, s.base+2)
		_, compactToCome := s.Compact(s.ctx, s.base+farRevisions)
		_, physical := s.Compact(s.ctx, s.base+farRevisions, clientv3.WithCompactPhysical())
		kept, err := s.KV.Get(s.ctx, s.key("a"), clientv3.WithRev(s.base+2))
		if err != nil {
			return nil, err
		}
		return facts{
			"gone": seenOf(gone), "toCome": seenOf(toCome), "compactGone": seenOf(compactGone),
			"compactToCome": seenOf(compactToCome), "compactToComePhysical": seenOf(physical),
			"kept": string(kept.Kvs[0].Value),
		}, nil
	}},
	{"transactions that are refused", func(s *store) (facts, error) {
		many := make([]clientv3.Op, 129)
		for i := range many {
			many[i] = clientv3.OpGet(s.key("a"))
		}
		_, tooMany := s.Txn(s.ctx).Then(many...).Commit()
		_, fit := s.Txn(s.ctx).Then(many[:128]...).Commit()
		put := clientv3.OpPut(s.key("a"), "1")
		_, twice := s.Txn(s.ctx).Then(put, put).Commit()
		_, either := s.Txn(s.ctx).Then(put).Else(put).Commit()
		_, gone := s.Txn(s.ctx).Then(put, clientv3.OpGet(s.key("a"), clientv3.WithRev(s.base+farRevisions))).Commit()
		passed, err := s.passed()
		if err != nil {
			return nil, err
		}
		return facts{
			"tooMany": seenOf(tooMany), "fit": seenOf(fit), "twice": seenOf(twice), "either": seenOf(either),
			"toCome": seenOf(gone), "passed": passed,
		}, nil
	}},
	{"puts that are refused", func(s *store) (facts, error) {
		_, noKey := s.Put(s.ctx, "", "1")
		_, notThere := s.Put(s.ctx, s.key("a"), "", clientv3.WithIgnoreValue())
		_, valueGiven := s.Put(s.ctx, s.key("a"), "1", clientv3.WithIgnoreValue())
		_, leaseGiven := s.Put(s.ctx, s.key("a"), "1", clientv3.WithIgnoreLease(), clientv3.WithLease(unknownLease))
		passed, err := s.passed()
		if err != nil {
			return nil, err
		}
		return facts{
			"noKey": seenOf(noKey), "notThere": seenOf(notThere), "valueGiven": seenOf(valueGiven),
			"leaseGiven": seenOf(leaseGiven), "passed": passed,
		}, nil
	}},
	{"puts that are too large", func(s *store) (facts, error) {
		config := configOf(s.endpoint)
		config.MaxCallSendMsgSize = 4 << 20
		patient, err := clientv3.New(config)
		if err != nil {
			return nil, err
		}
		defer patient.Close()
		mebibyte := 1 << 20
		size := func(client *clientv3.Client, bytes int) *seen {
			_, err := client.Put(s.ctx, s.key("a"), strings.Repeat("x", bytes))
			return seenOf(err)
		}
		largest := size(s.Client.Client, mebibyte*3/2-len(s.key("a"))-64)
		passed, err := s.passed()
		if err != nil {
			return nil, err
		}
		return facts{
			"below1.5MiB": largest, "passed": passed,
			"from1.5MiB": size(s.Client.Client, mebibyte*3/2), "below2MiB": size(s.Client.Client, mebibyte*2-1024),
			"from2MiB": size(s.Client.Client, mebibyte*2), "from2MiBPatient": size(patient, mebibyte*2),
			"from4MiBPatient": size(patient, mebibyte*4),
		}, nil
	}},
	{"keys in order, in pages, and none", func(s *store) (facts, error) {
		for _, name := range []string{"a", "b", "c"} {
			if err := s.puts(name, name+"1", name+"2"); err != nil {
				return nil, err
			}
		}
		last, err := s.KV.Get(s.ctx, s.prefix, append(clientv3.WithLastKey(), clientv3.WithPrefix())...)
		if err != nil {
			return nil, err
		}
		page, err := s.KV.Get(s.ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithLimit(2))
		if err != nil {
			return nil, err
		}
		deleted, err := s.Delete(s.ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithPrevKV())
		if err != nil {
			return nil, err
		}
		none, err := s.KV.Get(s.ctx, s.prefix, clientv3.WithPrefix())
		if err != nil {
			return nil, err
		}
		_, sort := s.KV.Get(s.ctx, s.key("a"), clientv3.WithSort(9, clientv3.SortAscend))
		_, noKey := s.KV.Get(s.ctx, "")
		return facts{
			"last": s.pairs(last.Kvs), "page": s.pairs(page.Kvs), "more": page.More, "count": page.Count,
			"deleted": deleted.Deleted, "before": s.pairs(deleted.PrevKvs), "none": none.Count,
			"sort": seenOf(sort), "noKey": seenOf(noKey),
		}, nil
	}},
}

var streamScenarios = []scenario{
	{"a list that comes as a stream", func(s *store) (facts, error) {
		for _, name := range []string{"a", "b", "c"} {
			if err := s.puts(name, name+"1"); err != nil {
				return nil, err
			}
		}
		all, err := s.streamed(clientv3.WithPrefix())
		if err != nil {
			return nil, err
		}
		page, err := s.streamed(clientv3.WithPrefix(), clientv3.WithLimit(2))
		if err != nil {
			return nil, err
		}
		_, toCome := s.streamed(clientv3.WithRev(s.base + farRevisions))
		_, gone := s.streamed(clientv3.WithRev(1))
		_, sorted := s.streamed(clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByVersion, clientv3.SortDescend))
		_, filtered := s.streamed(clientv3.WithPrefix(), clientv3.WithMinModRev(s.base))
		stream, err := s.GetStream(s.ctx, "")
		if err != nil {
			return nil, err
		}
		_, noKey := clientv3.GetStreamToGetResponse(stream)
		return facts{
			"all": s.pairs(all.Kvs), "count": all.Count, "more": all.More, "at": all.Header.Revision - s.base,
			"page": s.pairs(page.Kvs), "pageCount": page.Count, "pageMore": page.More,
			"toCome": seenOf(toCome), "gone": seenOf(gone), "sorted": seenOf(sorted), "filtered": seenOf(filtered),
			"noKey": seenOf(noKey),
		}, nil
	}},
}

func (s *store) streamed(options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	stream, err := s.GetStream(s.ctx, s.prefix, options...)
	if err != nil {
		return nil, err
	}
	answer, err := clientv3.GetStreamToGetResponse(stream)
	if err == nil && answer.Header == nil {
		return nil, errors.New("the stream has ended without a header")
	}
	return answer, err
}
