package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"export2batch/internal/source"
	"export2batch/upload"
)

// chaosFaults is every fault of the sandbox that a request can meet.
const chaosFaults = "408:0.01,408-after:0.01,429:0.01,500:0.02,500-after:0.02,502:0.01,502-after:0.01,503:0.02,504:0.01,504-after:0.01," +
	"reset-before:0.01,reset-after:0.02,html:0.01,html-after:0.01,truncate:0.02,latency=1ms,seed=3"

// TestUploadSurvivesChaos uploads into a sandbox that does everything wrong it
// can, and kills the upload with SIGKILL again and again. The ledger must then
// have each event of the partitions once, duplicates marked, in the order of
// each user and device. CHAOS_EVENTS, CHAOS_KILLS and CHAOS_FAULTS make it
// larger and other.
func TestUploadSurvivesChaos(t *testing.T) {
	if _, err := exec.LookPath("export2batch"); err != nil {
		t.Fatal(err) // testscript.Main puts it on the path
	}
	events, kills, faults := envInt(t, "CHAOS_EVENTS", 4000), envInt(t, "CHAOS_KILLS", 6), chaosFaults
	if f, ok := os.LookupEnv("CHAOS_FAULTS"); ok {
		faults = f
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	makePartitions(t, dir, events)
	address, stop := startBox(t, "--data", at("box"), "--ledger-only", "--faults", faults)

	perRequest := 20
	start := func() *exec.Cmd {
		return exec.Command("export2batch", "--json", "--quiet", "upload", "--to", "http://"+address, "--pace", "off", "--state", at("state"),
			"--events-per-request", strconv.Itoa(perRequest), "--retry-wait", "5ms", "--retry-cap", "50ms", "--throttle-wait", "10ms",
			"--throttle-cap", "50ms", "--quota-wait", "100ms", "--timeout", "1s", at("partitions"))
	}
	random := rand.New(rand.NewPCG(1, 2))
	journal := func() int64 {
		info, err := os.Stat(at("state/journal"))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	killed := 0
	for killed < kills {
		cmd := start()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// A request takes about 60 bytes of the journal.
		until := journal() + 1 + random.Int64N(int64(2*60*events/perRequest/(kills+2)))
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for alive := true; alive; {
			if journal() >= until {
				cmd.Process.Kill()
			}
			select {
			case <-ended:
				alive = false
			case <-time.After(time.Millisecond): // looks at the file again, waits for nothing else
			}
		}
		if cmd.ProcessState.ExitCode() >= 0 {
			break // it was faster
		}
		killed++
		runtime.Gosched()
	}
	if killed == 0 {
		t.Error("no upload could be killed")
	}
	last := start()
	out, err := last.Output()
	if code := last.ProcessState.ExitCode(); code != exitDone && code != exitFound {
		t.Fatalf("the last upload: %v\n%s", err, out)
	}
	var s upload.Summary
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	stop()
	l := compareLedger(t, at("box/ledger.ndjson"), at("partitions"))
	t.Logf("%d kills, %+v, ledger %+v", killed, s, l)
	if l.extra+l.twice+l.early > 0 || l.once != s.Accepted || l.missing != s.Rejected || s.Pending != 0 || s.Read != s.Accepted+s.Rejected {
		t.Errorf("upload %+v, ledger %+v", s, l)
	}
	if s.Rejected > 0 && !strings.Contains(faults, "forbid") {
		t.Errorf("%v were set aside without a reason", s.RejectedBy)
	}
	// What was sent without an answer before a kill is counted once a request.
	if most := s.Resent + int64(killed*16*perRequest); l.duplicates > most {
		t.Errorf("%d duplicates, at most %d were sent again in doubt", l.duplicates, most)
	}
}

// makePartitions makes events/ and partitions/ of a generated export.
func makePartitions(t *testing.T, dir string, events int) {
	t.Helper()
	for _, args := range [][]string{
		{"generate", "-o", filepath.Join(dir, "export.zip"), "--events", strconv.Itoa(events), "--seed", "9"},
		{"convert", "-o", filepath.Join(dir, "events"), filepath.Join(dir, "export.zip")},
		{"partition", "-o", filepath.Join(dir, "partitions"), "--partitions", "24", filepath.Join(dir, "events")},
	} {
		if out, err := exec.Command("export2batch", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

// startBox starts a sandbox in a process of its own.
func startBox(t *testing.T, args ...string) (address string, stop func()) {
	t.Helper()
	address = freeAddress(t)
	box := exec.Command("export2batch", append([]string{"sandbox", "--listen", address}, args...)...)
	out, err := box.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		box.Process.Signal(os.Interrupt) // it may have ended by itself, which Wait says
		if err := box.Wait(); err != nil {
			t.Errorf("sandbox: %v", err)
		}
	})
	t.Cleanup(stop)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "listens") {
		t.Fatalf("sandbox: %q %v", line, err)
	}
	return address, stop
}

// TestDailyQuotaRehearsal uploads more events of some users and devices than
// they may send a day, into a sandbox whose days last a second. Everything
// arrives once and in order, and who is not over quota does not wait.
func TestDailyQuotaRehearsal(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	makePartitions(t, dir, 3000)
	address, stop := startBox(t, "--data", at("box"), "--ledger-only", "--daily-quota", "300", "--time-scale", "86400")
	var out, log bytes.Buffer
	cmd := exec.Command("export2batch", "--json", "upload", "--to", "http://"+address, "--pace", "off", "--events-per-request", "20",
		"--quota-wait", "50ms", "--state", at("state"), at("partitions"))
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	var s upload.Summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	stop()
	l := compareLedger(t, at("box/ledger.ndjson"), at("partitions"))
	parks := strings.Count(log.String(), "parked for their daily quota")
	t.Logf("%d answers parked ids, %+v, ledger %+v", parks, s, l)
	if l.missing+l.extra+l.twice+l.early+l.duplicates > 0 || s.Accepted != s.Read || s.Rejected+s.Resent > 0 {
		t.Errorf("upload %+v, ledger %+v", s, l)
	}
	if parks == 0 {
		t.Error("nobody was over quota")
	}
}

func envInt(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ledgerCheck compares a ledger with the partitions it should come from.
type ledgerCheck struct {
	once       int64 // events taken
	duplicates int64 // lines marked as such
	twice      int64 // events taken more than once
	missing    int64
	extra      int64
	early      int64 // events taken before an earlier one of the same user or device in their partition
}

func compareLedger(t *testing.T, ledger, partitions string) (l ledgerCheck) {
	t.Helper()
	type event struct {
		Insert    string `json:"insert_id"`
		Device    string `json:"device_id"`
		User      string `json:"user_id"`
		Duplicate bool   `json:"duplicate"`
	}
	key := func(e event) string { return e.Device + "\x00" + e.Insert }
	seq := map[string]int{}
	n := 0
	eachLine(t, ledger, func(line []byte) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		n++
		if e.Duplicate {
			l.duplicates++
			return
		}
		if _, had := seq[key(e)]; had {
			l.twice++
		}
		seq[key(e)] = n
		l.once++
	})
	files, err := filepath.Glob(filepath.Join(partitions, "partitions", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(fmt.Errorf("no partitions: %w", err))
	}
	expected := 0
	for _, file := range files {
		last := map[string]int{}
		eachLine(t, file, func(line []byte) {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			at, ok := seq[key(e)]
			if !ok {
				l.missing++
				return
			}
			expected++
			early := false
			for _, id := range []string{"u" + e.User, "d" + e.Device} {
				if len(id) > 1 {
					early = early || at < last[id]
					last[id] = max(last[id], at)
				}
			}
			if early {
				l.early++
			}
		})
	}
	l.extra = int64(len(seq) - expected)
	return l
}

func eachLine(t *testing.T, file string, f func([]byte)) {
	t.Helper()
	set, err := source.Expand([]string{file}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range set.Inputs {
		lines, err := set.Inputs[i].Lines()
		if err != nil {
			t.Fatal(err)
		}
		defer lines.Close()
		for {
			line, err := lines.Next()
			if err != nil {
				break
			}
			f(line)
		}
	}
}
