package convert

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// member is one key of a line, as text, and its value.
type member struct{ key, value string }

func membersOf(line string) (list []member) {
	keys, values := orderedMembers(line)
	for _, k := range keys {
		list = append(list, member{`"` + k + `"`, values[k]})
	}
	return list
}

func without(list []member, keys ...string) []member {
	return slices.DeleteFunc(list, func(m member) bool { return slices.Contains(keys, m.key[1:len(m.key)-1]) })
}

func (m member) String() string { return m.key + ":" + m.value }

func join(list []member) string {
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// escaped writes every character of a quoted ASCII key as \uXXXX.
func escaped(key string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range key[1 : len(key)-1] {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	b.WriteByte('"')
	return b.String()
}

// odd are values of every type to put where others are expected.
var odd = []string{
	"null", `""`, "{}", "[]", "{ }", "true", "0", "-1", "1.5", "1e3", "9007199254740993", `"x"`, `"2023-13-01 00:00:00"`,
	`"2023-01-02T03:04:05.5+01:00"`, `{"a":{"b":[1,{"c":null}]}}`, `["a",{"b":1}]`, `"$remote"`, `"\u0024identify"`,
	`"$groupidentify"`, `"\ud83d\ude00"`, `"\ud83d"`, "01", `"` + "\xff" + `"`, "{\"a\":1,\"a\":2}", "nul",
}

// mutate changes a line as exports, warehouses and accidents do.
func mutate(rng *rand.Rand, line string) string {
	list := membersOf(line)
	for range 1 + rng.IntN(4) {
		if len(list) == 0 {
			return "{}"
		}
		i := rng.IntN(len(list))
		switch rng.IntN(8) {
		case 0:
			list = slices.Delete(list, i, i+1)
		case 1:
			list[i].value = "null"
		case 2, 3:
			list[i].value = odd[rng.IntN(len(odd))]
		case 4:
			list = append(list, member{fmt.Sprintf(`"new key %d"`, rng.IntN(5)), odd[rng.IntN(len(odd))]})
		case 5:
			list = append(list, member{`"\u006dine"`, list[i].value}, list[rng.IntN(len(list))]) // a key twice
		case 6:
			j := rng.IntN(len(list))
			list[i].value, list[j].value = list[j].value, list[i].value
		case 7:
			list = slices.DeleteFunc(list, func(m member) bool { return strings.Contains(m.key, "time") || strings.Contains(m.key, "id") })
		}
	}
	text := respell(rng, list)
	if rng.IntN(20) == 0 {
		text = text[:rng.IntN(len(text))]
	}
	return text
}

// respell writes the same members in another way.
func respell(rng *rand.Rand, list []member) string {
	list = slices.Clone(list)
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	space := func() string { return []string{"", "", " ", "\t", "\r", "  \t"}[rng.IntN(6)] }
	var b strings.Builder
	b.WriteString(space() + "{" + space())
	for i, m := range list {
		if i > 0 {
			b.WriteString("," + space())
		}
		key := m.key
		if rng.IntN(4) == 0 && !strings.Contains(key, `\`) {
			key = escaped(key)
		}
		b.WriteString(key + space() + ":" + space() + m.value + space())
	}
	b.WriteString("}" + space())
	return b.String()
}

func TestMutatedLinesLikeReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	lines := generated(t, 150)
	mappers := make([]*mapper, len(ruleSets))
	for i, rules := range ruleSets {
		mappers[i] = newMapper(compiled(rules))
	}
	kinds := map[verdictKind]int{}
	for i := range 1200 {
		line := lines[i%len(lines)]
		if i >= len(lines) {
			line = mutate(rng, line)
		}
		m := mappers[i%len(mappers)]
		kinds[reference(m.rules, []byte(line)).kind]++
		if compare(t, m, []byte(line)); t.Failed() {
			return
		}
	}
	if kinds[written] < 250 || kinds[refused] < 250 || kinds[dropped] < 10 {
		t.Errorf("outcomes %v: the lines are too much alike to say anything", kinds)
	}
}

// A line that is spelled in another way gives the same bytes, hash included.
func TestSpellingDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i, line := range generated(t, 200) {
		list := membersOf(line)
		if i%2 == 0 { // so that the id is a hash
			list = without(list, "uuid", "$insert_id")
		}
		plain := join(list)
		want, v, _ := mapLine(Rules{}, plain)
		got, w, _ := mapLine(Rules{}, respell(rng, list))
		if got != want || v.kind != w.kind {
			t.Fatalf("%s\nbecame\n%s\nand in another spelling\n%s", plain, want, got)
		}
	}
}

// What a mapper has seen before has no influence on what it writes.
func TestMapperHasNoMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	m := newMapper(compiled(ruleSets[0]))
	for _, line := range generated(t, 100) {
		for _, l := range []string{line, mutate(rng, line), line} {
			want, v, _ := mapLine(Rules{}, l)
			got, w := m.event(nil, []byte(l))
			if strings.TrimSuffix(string(got), "\n") != want || v != w {
				t.Fatalf("%s\nbecame %s (%v), want %s (%v)", l, got, w, want, v)
			}
		}
	}
}
