package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"export2batch/internal/testfile"
)

func TestInterruptibleReadsAll(t *testing.T) {
	data := make([]byte, 5*readAhead+7)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	for name, r := range map[string]io.Reader{
		"at once":        bytes.NewReader(data),
		"half":           iotest.HalfReader(bytes.NewReader(data)),
		"error with end": iotest.DataErrReader(bytes.NewReader(data)),
		"many":           io.MultiReader(bytes.NewReader(data[:9]), bytes.NewReader(nil), bytes.NewReader(data[9:])),
	} {
		got, err := io.ReadAll(Interruptible(t.Context(), r))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(data), err)
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(Interruptible(t.Context(), iotest.ErrReader(broken))); err != broken {
		t.Errorf("error %v", err)
	}
	if Interruptible(t.Context(), nil) != nil {
		t.Error("no reader became one")
	}
}

// The end of the context is no damage, wherever in the data it comes.
func TestInterruptedInput(t *testing.T) {
	packed := testfile.Gzip(t, strings.Repeat("{}\n", 9))
	framed := zst(t, strings.Repeat("{}\n", 9))
	for name, text := range map[string]string{
		"at its start":        "",
		"in the first bytes":  "{",
		"behind some lines":   strings.Repeat("{}\n", sniffed),
		"in a gzip header":    string(packed[:5]),
		"in gzip data":        string(packed[:len(packed)-9]),
		"behind gzip data":    string(packed),
		"behind gzip members": string(slices.Concat(packed, packed, packed[:3])),
		"in zstd data":        string(framed[:len(framed)-3]),
	} {
		pipe, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		set, err := Expand([]string{"-"}, Options{Stdin: Interruptible(ctx, pipe)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() {
			lines, err := set.Inputs[0].Lines()
			for err == nil {
				_, err = lines.Next()
			}
			ended <- err
		}()
		io.WriteString(w, text)
		w.Write(nil) // until it is asked for more
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || errors.As(err, new(*DamageError)) {
			t.Errorf("%s: %v", name, err)
		}
		w.Close()
	}
}
