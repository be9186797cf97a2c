package inflate

// block reads the beginning of a block.
func (d *Decoder) block() error {
	if d.last {
		d.state = atEnd
		return nil
	}
	head, err := d.take(3)
	if err != nil {
		return err
	}
	d.last = head&1 == 1
	switch head >> 1 {
	case 0:
		d.bits >>= d.nbits % 8
		d.nbits -= d.nbits % 8
		n, err := d.take(16)
		if err != nil {
			return err
		}
		inverse, err := d.take(16)
		if err != nil {
			return err
		}
		if n != ^inverse&0xffff {
			return ErrCorrupt
		}
		d.giveBack()
		d.length, d.state = n, inStored
		return nil
	case 1:
		d.fixed()
		d.state = inCodes
		return nil
	case 2:
		d.state = inCodes
		return d.dynamic()
	}
	return ErrCorrupt
}

// stored copies from a block that is not compressed.
func (d *Decoder) stored(out []byte, n int) (int, error) {
	for d.length > 0 && n < len(out) {
		if d.pos == len(d.in) {
			if err := d.more(); err != nil {
				return n, err
			}
		}
		m := copy(out[n:], d.in[d.pos:min(len(d.in), d.pos+int(d.length))])
		n += m
		d.pos += m
		d.length -= uint(m)
	}
	if d.length == 0 {
		d.state = atBlock
	}
	return n, nil
}

// fixed sets the code of RFC 1951, 3.2.6, unless the last block had it too.
func (d *Decoder) fixed() {
	if d.isFixed {
		return
	}
	lengths := d.lengths[:288]
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(d.literals[:], literalBits, lengths, literalMeanings[:])
	lengths = lengths[:32]
	for i := range lengths {
		lengths[i] = 5
	}
	build(d.offsets[:], offsetBits, lengths, offsetMeanings[:])
	d.isFixed = true
}

// headerOrder is the order in which the lengths of the header's code stand.
var headerOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamic reads the codes of a block, RFC 1951, 3.2.7.
func (d *Decoder) dynamic() error {
	d.isFixed = false
	counts, err := d.take(14)
	if err != nil {
		return err
	}
	literals, offsets, headers := counts&31+257, counts>>5&31+1, counts>>10+4
	if literals > 286 || offsets > 30 {
		return ErrCorrupt
	}
	lengths := d.lengths[:19]
	clear(lengths)
	for _, symbol := range headerOrder[:headers] {
		n, err := d.take(3)
		if err != nil {
			return err
		}
		lengths[symbol] = uint8(n)
	}
	// The table of offsets is not in use yet.
	header := d.offsets[:headerTable]
	if !build(header, headerBits, lengths, headerMeanings[:]) {
		return ErrCorrupt
	}
	lengths = d.lengths[:literals+offsets]
	for i := 0; i < len(lengths); {
		e, _, err := d.next(header, headerBits)
		if err != nil {
			return err
		}
		symbol := e.base()
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		extra, least, repeated := uint(2), uint(3), uint8(0)
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			repeated = lengths[i-1]
		case 17:
			extra = 3
		case 18:
			extra, least = 7, 11
		}
		n, err := d.take(extra)
		if err != nil {
			return err
		}
		n += least
		if n > uint(len(lengths)-i) {
			return ErrCorrupt
		}
		for range n {
			lengths[i] = repeated
			i++
		}
	}
	if lengths[256] == 0 { // the block could not end
		return ErrCorrupt
	}
	if !build(d.literals[:], literalBits, lengths[:literals], literalMeanings[:]) ||
		!build(d.offsets[:], offsetBits, lengths[literals:], offsetMeanings[:]) {
		return ErrCorrupt
	}
	return nil
}
