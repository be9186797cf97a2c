package jsonscan

// skipValue validates the value that starts at b[i], with outer containers
// open around it, and returns the offset behind it and how deep it goes. Of an
// object it adds the keys to inner, if there is one.
func skipValue(b []byte, i, outer int, inner *Inner) (stop int, deepest uint16, kind Kind, traits Traits, err error) {
	var (
		objects [MaxDepth/64 + 1]uint64 // one bit a level: the container there is an object
		depth   int
		c       byte
	)
value:
	if i >= len(b) {
		return i, 0, 0, 0, fault(i, "text ends where a value is expected")
	}
	c = b[i]
	switch {
	case c == '"':
		start := i + 1
		if i, _, err = skipString(b, start); err != nil {
			return i, 0, 0, 0, err
		}
		traits |= stringTraits(i - start)
		i++
		kind = String
	case c == '{' || c == '[':
		if depth+outer >= MaxDepth {
			return i, 0, 0, 0, fault(i, "nested too deep")
		}
		depth++
		deepest = max(deepest, uint16(depth))
		i = skipSpace(b, i+1)
		if c == '{' {
			objects[depth/64] |= 1 << (depth % 64)
			if i < len(b) && b[i] == '}' {
				goto closing
			}
			goto key
		}
		objects[depth/64] &^= 1 << (depth % 64)
		if i < len(b) && b[i] == ']' {
			goto closing
		}
		goto value
	case c == '-' || c-'0' <= 9:
		start := i
		if i, err = skipNumber(b, i); err != nil {
			return i, 0, 0, 0, err
		}
		traits |= numberTraits(b, start, i)
		kind = Number
	case c == 't':
		if i, err = skipLiteral(b, i, "true"); err != nil {
			return i, 0, 0, 0, err
		}
		kind = Bool
	case c == 'f':
		if i, err = skipLiteral(b, i, "false"); err != nil {
			return i, 0, 0, 0, err
		}
		kind = Bool
	case c == 'n':
		if i, err = skipLiteral(b, i, "null"); err != nil {
			return i, 0, 0, 0, err
		}
		kind = Null
	default:
		return i, 0, 0, 0, fault(i, "a value is expected")
	}
after:
	if depth == 0 {
		return i, deepest, kind, traits, nil
	}
	i = skipSpace(b, i)
	if i >= len(b) {
		return i, 0, 0, 0, fault(i, "text ends inside a container")
	}
	c = b[i]
	if objects[depth/64]>>(depth%64)&1 == 1 {
		if c == ',' {
			i = skipSpace(b, i+1)
			goto key
		}
		if c == '}' {
			goto closing
		}
		return i, 0, 0, 0, fault(i, "a comma or closing brace is expected")
	}
	if c == ',' {
		i = skipSpace(b, i+1)
		goto value
	}
	if c != ']' {
		return i, 0, 0, 0, fault(i, "a comma or closing bracket is expected")
	}
closing:
	kind = Object
	if b[i] == ']' {
		kind = Array
	}
	i++
	depth--
	goto after
key:
	if i >= len(b) {
		return i, 0, 0, 0, fault(i, "text ends inside an object")
	}
	if b[i] != '"' {
		return i, 0, 0, 0, fault(i, "a key is expected")
	}
	start := i + 1
	if i, _, err = skipString(b, start); err != nil {
		return i, 0, 0, 0, err
	}
	traits |= stringTraits(i - start)
	if depth == 1 && inner != nil {
		inner.keys = append(inner.keys, Key{uint32(start), uint32(i)})
	}
	if i++; i+1 < len(b) && b[i] == ':' && b[i+1] > ' ' {
		i++
		goto value
	}
	if i, err = colon(b, i); err != nil {
		return i, 0, 0, 0, err
	}
	goto value
}

func skipLiteral(b []byte, i int, literal string) (int, error) {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return i, fault(i, "a value is expected")
	}
	return i + len(literal), nil
}

// skipNumber follows the grammar of RFC 8259: no leading zero, no bare point.
func skipNumber(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	first := i
	i = skipDigits(b, i)
	if i == first {
		return i, fault(i, "a digit is expected")
	}
	if b[first] == '0' && i > first+1 {
		return i, fault(first, "a number starts with zero")
	}
	if i < len(b) && b[i] == '.' {
		frac := i + 1
		if i = skipDigits(b, frac); i == frac {
			return i, fault(i, "a digit is expected")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		exp := i + 1
		if exp < len(b) && (b[exp] == '+' || b[exp] == '-') {
			exp++
		}
		if i = skipDigits(b, exp); i == exp {
			return i, fault(i, "a digit is expected")
		}
	}
	return i, nil
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}
