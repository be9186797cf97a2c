package upload

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"export2batch/internal/durable"
)

// powerFS knows of every file what a loss of power leaves of it: the bytes
// that were synced.
type powerFS struct {
	durable.FS
	mu     sync.Mutex
	synced map[string][]byte
}

func (p *powerFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	h, err := p.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &powerHandle{h, p, path}, nil
}

func (p *powerFS) Rename(from, to string) error {
	if err := p.FS.Rename(from, to); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.synced[to] = p.synced[from]
	delete(p.synced, from)
	return nil
}

func (p *powerFS) left() map[string][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string][]byte{}
	for path, data := range p.synced {
		out[path] = data
	}
	return out
}

type powerHandle struct {
	durable.Handle
	fs   *powerFS
	path string
}

func (h *powerHandle) Sync() error {
	if err := h.Handle.Sync(); err != nil {
		return err
	}
	data, err := os.ReadFile(h.path)
	if err != nil {
		return err
	}
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.fs.synced[h.path] = data
	return nil
}

// At the moment a request arrives, its intent is on the disk, and everything
// that was answered before in its partition; a power loss at that moment, with
// the request taken, is gone on from with that one request sent twice.
func TestPowerLossAtEveryRequest(t *testing.T) {
	parts := lines(13, 9)
	type moment struct {
		files map[string][]byte
		taken []string
		sent  int // events of the request in flight
	}
	synctest.Test(t, func(t *testing.T) {
		disk := &powerFS{FS: fast, synced: map[string][]byte{}}
		var o Options
		var moments []moment
		var f *fake
		answered := map[int]int64{} // events of each partition that were answered for good
		f = newFake(t, func(r *received) reply {
			files := disk.left()
			s := newState([]int64{13, 9})
			journal := files[filepath.Join(o.Dir+".upload", journalName)]
			end, err := readJournal(bytes.NewReader(journal), s.apply)
			if err != nil || end != int64(len(journal)) {
				t.Fatalf("request %d: %v", r.number, err)
			}
			p := int(r.partition[0] - '0')
			open := s.parts[p].open
			if open == nil || open.events.count() != int64(len(r.events)) {
				t.Fatalf("request %d was sent before its intent was on the disk: %+v", r.number, open)
			}
			for i := range s.parts {
				rejects := files[filepath.Join(o.Dir+".upload", rejectedDir, fmt.Sprintf("part-%04d.ndjson", i))]
				if _, whole, err := prefix(bytes.NewReader(rejects), s.parts[i].rejects); err != nil || !whole {
					t.Errorf("request %d: the journal sets events aside that are not in rejected/ on the disk", r.number)
				}
			}
			if got := s.parts[p].done.count(); got != answered[p] {
				t.Errorf("request %d: %d events are done on the disk, %d were answered", r.number, got, answered[p])
			}
			f.mu.Lock()
			moments = append(moments, moment{files, append([]string(nil), f.taken...), len(r.events)})
			f.mu.Unlock()
			re := picky(r)
			switch {
			case re.status == 0:
				answered[p] += int64(len(r.events))
			case re.status == 400, len(r.events) == 1:
				answered[p]++
			}
			return re
		})
		o = options(partitionFolder(t, parts), f)
		o.FS, o.EventsPerRequest, o.Parallel = disk, 4, 1
		mustRun(t, o)
		all := f.bytes
		if len(moments) < 8 {
			t.Fatalf("only %d requests", len(moments))
		}
		for n, m := range moments {
			g := newFake(t, picky)
			for _, id := range m.taken {
				g.taken, g.bytes[id] = append(g.taken, id), all[id]
			}
			inFlight := f.requests[n]
			if picky(inFlight).status == 0 {
				g.take(inFlight)
			}
			after := options(o.Dir, g)
			after.Parallel = 1 // the partition in flight comes first
			after.State = filepath.Join(t.TempDir(), "state")
			for path, data := range m.files {
				rel, err := filepath.Rel(o.Dir+".upload", path)
				if err != nil {
					t.Fatal(err)
				}
				to := filepath.Join(after.State, rel)
				if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(to, data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			mustRun(t, after)
			g.checkTaken(parts, asSet(pickyAside))
			if got := rejectedIDs(t, after); !reflect.DeepEqual(got, pickyAside) {
				t.Errorf("request %d: set aside %v", n+1, got)
			}
			if g.repeated > m.sent {
				t.Errorf("request %d: %d events were sent twice, %d were in flight", n+1, g.repeated, m.sent)
			}
			if !bytes.Equal(eventsOf(g.requests[0].raw), eventsOf(inFlight.raw)) {
				t.Errorf("request %d was not the first to be repeated", n+1)
			}
		}
	})
}

func eventsOf(raw []byte) []byte { return raw[bytes.Index(raw, []byte(`"events"`)):] }
