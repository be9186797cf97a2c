package upload

import (
	"io"
	"math/rand/v2"
)

// lane makes the requests of one partition after the other, as a sender does
// that is answered with 200, and sends nothing.
type lane struct {
	*sender
	run   *run
	left  *[]int // partitions to come, shared by the lanes
	open  *intent
	todo  []event // of the chunk
	waits int64   // events that are held back
	bad   int64   // lines that are not JSON
}

func newLane(r *run, left *[]int) *lane {
	l := &lane{sender: newSender(r), run: r, left: left}
	l.chunk = &chunk{}
	return l
}

// next returns the next request and the intent it repeats; io.EOF behind the
// last one. The batch is valid until the next call.
func (l *lane) next() (batch []event, resumed *intent, err error) {
	for {
		for len(l.todo) > 0 {
			n := 0
			for n < len(l.todo) && (l.todo[n].fault == nil || l.open != nil) {
				n++
			}
			batch = l.todo[:n]
			if l.todo = l.todo[n:]; len(l.todo) > 0 {
				l.bad++
				l.todo = l.todo[1:]
			}
			if n > 0 {
				resumed, l.open = l.open, nil
				return batch, resumed, nil
			}
		}
		if l.lines == nil {
			if err := l.begin(); err != nil {
				return nil, nil, err
			}
		}
		if err := l.fill(l.open); err != nil {
			return nil, nil, err
		}
		if l.todo = l.chunk.events; len(l.todo) == 0 {
			l.waits += l.held.events
			err := l.lines.close()
			if l.lines = nil; err != nil {
				return nil, nil, err
			}
		}
	}
}

// begin opens the next partition.
func (l *lane) begin() (err error) {
	if len(*l.left) == 0 || l.run.budget.spent() {
		return io.EOF
	}
	number := (*l.left)[0]
	*l.left = (*l.left)[1:]
	l.number, l.part, l.state = number, &l.run.parts.list[number], &l.run.folder.state.parts[number]
	l.sender.next = event{index: -1}
	l.open = l.state.open
	l.held.reset()
	l.random = rand.New(rand.NewPCG(0, 0))
	l.lines, err = l.part.open()
	return err
}

func (l *lane) close() {
	if l.lines != nil {
		l.lines.close() // it was only read
	}
}

// rehearsal returns a run that sends nothing and changes nothing.
func rehearsal(o Options) (*run, error) {
	parts, err := loadPartitions(o.Dir)
	if err != nil {
		return nil, err
	}
	f, err := peekFolder(parts, o.State)
	if isNoState(err) {
		f, err = &folder{path: o.State, state: newState(parts.sizes())}, nil
		f.state.begin = &begin{manifest: parts.manifest, seed: newSeed()}
	}
	if err != nil {
		return nil, err
	}
	r := newRun(o, parts, f)
	return r, nil
}
