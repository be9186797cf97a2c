package generate

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"time"
)

// windowLines bounds the events kept in memory at a time (48 bytes each), as
// far as a single hour has fewer.
const windowLines = 1_000_000

// plan knows when every line of the output happens, without keeping it: the
// timelines are walked once to count the lines of every hour, and again for
// each window of hours that is written.
type plan struct {
	options         Options // complete
	seed            uint64
	start, end      int64 // µs since 1970
	activity        int64 // µs; length of every timeline at most
	firstHour       int   // hour of the day at the start
	dayWeight       uint64
	users           int
	groups          []group // users of each shared device
	members         uint32  // users below this share a device
	anonymous, late share
	weight          uint64 // of all actors
	catalog         *catalog

	hours    []int  // lines of each hour since the start
	repeated []bool // hours delivered twice
	devices  int
	merges   []merge
}

// group is a run of users.
type group struct{ first, size uint32 }

func newPlan(ctx context.Context, o Options) (*plan, error) {
	p := &plan{
		options:   o,
		seed:      o.Seed,
		start:     o.Start.UnixMicro(),
		end:       o.Start.UnixMicro() + int64(o.Days)*day,
		activity:  int64(o.Days)*day - margin,
		firstHour: o.Start.Hour(),
		users:     o.Users,
		anonymous: shareOf(o.Anonymous),
		late:      shareOf(o.LateEvents),
		catalog:   newCatalog(o.Seed, o.Properties),
		hours:     make([]int, 24*o.Days),
		repeated:  make([]bool, 24*o.Days),
	}
	for _, w := range spread {
		p.dayWeight += w
	}
	for n := range o.SharedDevices {
		size := uint32(3)
		if n%2 == 1 {
			size = 30
		}
		size = min(size, uint32(p.users)-p.members)
		if size < 2 {
			break
		}
		p.groups = append(p.groups, group{p.members, size})
		p.members += size
	}
	for a := range p.actors() {
		p.weight += p.actorWeight(a)
	}
	if err := p.count(ctx); err != nil {
		return nil, err
	}
	p.repeat()
	return p, nil
}

func (p *plan) actors() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for a := range uint32(p.users + len(p.groups)) {
			if !yield(a) {
				return
			}
		}
	}
}

// actorWeight is how busy an actor is. Those of users have a heavy tail: half
// of them have the weight 1, one in 10 000 has more than 5000; but nobody makes
// more than about a tenth of all lines.
func (p *plan) actorWeight(actor uint32) uint64 {
	if int(actor) >= p.users {
		return 100 + 6*uint64(p.groups[int(actor)-p.users].size)
	}
	const most = 200_000
	r := newSource(p.seed, streamWeight, uint64(actor), 0)
	return min(most/uint64(r.between(20, most)), uint64(p.users)+20)
}

// walkAll walks the timelines of all actors that have lines. The numbers of
// lines are in proportion to the weights and add up to the events asked for.
func (p *plan) walkAll(ctx context.Context, visit func(event), merged func(merge)) error {
	var (
		free       = uint64(p.options.Events - p.users) // beside one line for each user
		sum, given uint64
	)
	for a := range p.actors() {
		if a%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sum += p.actorWeight(a)
		upTo := mulDiv(free, sum, p.weight)
		lines := int(upTo - given)
		given = upTo
		if int(a) < p.users {
			lines++
		}
		if lines > 0 {
			p.walk(a, lines, visit, merged)
		}
	}
	return nil
}

// count fills in the lines of each hour, the devices and the merges.
func (p *plan) count(ctx context.Context) error {
	actor, seen := uint32(math.MaxUint32), uint8(0)
	var keep func(merge)
	if p.options.MergedIDs {
		keep = func(m merge) { p.merges = append(p.merges, m) }
	}
	err := p.walkAll(ctx, func(e event) {
		p.hours[(e.upload-p.start)/hour]++
		if e.actor != actor {
			actor, seen = e.actor, 0
		}
		if bit := uint8(1) << (e.device % maxDevices); seen&bit == 0 {
			seen |= bit
			p.devices++
		}
	}, keep)
	slices.SortStableFunc(p.merges, func(a, b merge) int {
		return cmp.Or(cmp.Compare(a.upload, b.upload), cmp.Compare(a.merged, b.merged))
	})
	return err
}

// repeat chooses the hours that are delivered twice.
func (p *plan) repeat() {
	var busy []int
	for h, n := range p.hours {
		if n > 0 {
			busy = append(busy, h)
		}
	}
	if p.options.Duplicates == 0 {
		return
	}
	n := max(1, int(math.Round(p.options.Duplicates*float64(len(busy)))))
	r := newSource(p.seed, streamRepeats, 0, 0)
	for i := range n {
		j := r.between(i, len(busy)-1)
		busy[i], busy[j] = busy[j], busy[i]
		p.repeated[busy[i]] = true
	}
}

// part is a run of lines that is made, and written, in one piece.
type part struct {
	hour   int // since the start
	number int // within the hour, N of the file name
	repeat bool
	events []event
}

// hourStart is the beginning of an hour of the export.
func (p *plan) hourStart(h int) time.Time {
	return p.options.Start.Add(time.Duration(h) * time.Hour)
}

// parts hands out all lines in the order of their files, in parts of at most
// limit lines that do not reach across hours. It ends early when ctx is done.
func (p *plan) parts(ctx context.Context, limit int) iter.Seq[part] {
	return func(yield func(part) bool) {
		for from := 0; from < len(p.hours); {
			to, lines := from, 0
			for to < len(p.hours) && (to == from || lines+p.hours[to] <= windowLines) {
				lines += p.hours[to]
				to++
			}
			hours, err := p.window(ctx, from, to, lines)
			if err != nil {
				return
			}
			for i, events := range hours {
				if !p.split(from+i, events, limit, yield) {
					return
				}
			}
			from = to
		}
	}
}

func (p *plan) split(h int, events []event, limit int, yield func(part) bool) bool {
	times := 1
	if p.repeated[h] {
		times = 2
	}
	number := 0
	for delivery := range times {
		for events := range slices.Chunk(events, limit) {
			if !yield(part{hour: h, number: number, repeat: delivery > 0, events: events}) {
				return false
			}
			number++
		}
	}
	return true
}

// window collects the events of the hours [from, to), each hour in the order
// of its lines.
func (p *plan) window(ctx context.Context, from, to, lines int) ([][]event, error) {
	all := make([]event, lines)
	hours := make([][]event, to-from)
	for i := range hours {
		n := p.hours[from+i]
		hours[i], all = all[:0:n], all[n:]
	}
	first, last := p.start+int64(from)*hour, p.start+int64(to)*hour
	err := p.walkAll(ctx, func(e event) {
		if e.upload >= first && e.upload < last {
			i := (e.upload - first) / hour
			hours[i] = append(hours[i], e)
		}
	}, nil)
	if err != nil {
		return nil, err
	}
	for _, events := range hours {
		slices.SortFunc(events, func(a, b event) int {
			return cmp.Or(cmp.Compare(a.upload, b.upload), cmp.Compare(a.actor, b.actor), cmp.Compare(a.sequence, b.sequence))
		})
	}
	return hours, nil
}
