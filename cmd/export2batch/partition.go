package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"export2batch/internal/eventfile"
	"export2batch/internal/progress"
	"export2batch/partition"
)

func partitionCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "partition",
		Usage:     "event files to partitions: all events of a user together and in order, duplicates once",
		ArgsUsage: "PATH…",
		UsageText: "export2batch partition -o DIR [options] PATH…\nexport2batch partition --check DIR",
		Description: "Takes folders written by convert or validate --fix, event files, folders, patterns and -. Events are ordered by time,\n" +
			"then event_id, then input order. They are spilled to disk below DIR, about as much as compressed\n" +
			"events take, and merged within --memory; only the map of identities stays in memory, at most\n" +
			"40 bytes an id. Exit code 3: something was set aside.\n" +
			"With --check it writes nothing: it reads the partitions that DIR holds and verifies that they are a\n" +
			"permutation of what was read, in order, no identity divided, and as the manifest describes them. Of the\n" +
			"input it reads identities/ again, where that is still there.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "stage folder to write, new or begun by the same command (`DIR`)"},
			&cli.StringFlag{Name: "check", Usage: "verify the finished partitions in this folder (`DIR`), exit code 3 when something is wrong"},
			&cli.StringFlag{Name: "exclude", Usage: "folder written by validate --set-aside: leave out the events it set aside (`DIR`)"},
			jobsFlag("inputs and partitions worked on at once"),
			compressFlag(),
		}, partitionFlags()...),
		Action: func(c *cli.Context) error {
			o, err := partitionOptions(ui, c)
			if err != nil {
				return err
			}
			if c.IsSet("check") {
				return checkPartitions(ui, c, o)
			}
			o.Paths, o.Out, o.Exclude = c.Args().Slice(), c.String("output"), c.String("exclude")
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			ui.resumes = true
			debug.SetMemoryLimit(partition.RuntimeMemory(o.Memory))
			workWhileDiskIsSlow()
			var s partition.Summary
			rate, err := ui.stage("partition", func(m *progress.Meter) (err error) {
				o.Meter = m
				s, err = partition.Run(c.Context, o)
				return err
			})
			if err != nil {
				return err
			}
			s.EventsPerSecond = rate
			ui.endFindings(", see " + filepath.Join(o.Out, "rejected"))
			if err := ui.result(s, func(w io.Writer) { printPartition(w, s, o.Out) }); err != nil {
				return err
			}
			return partitionVerdict(s)
		},
	}
}

// workWhileDiskIsSlow lets others work on while threads wait for the disk, which
// keep their processor for some time.
func workWhileDiskIsSlow() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2) }

// partitionFlags are the options that run shares with partition.
func partitionFlags() []cli.Flag {
	return []cli.Flag{
		atLeastOne(&cli.IntFlag{Name: "partitions", Value: partition.DefaultPartitions, Usage: "how many partitions (`N`), hot ones not counted"}),
		&cli.StringFlag{Name: "by", Value: partition.ByIdentity, Usage: "what belongs together: `identity` (ids that occur together), user_id or device_id"},
		atLeastOne(&cli.IntFlag{Name: "shared-device-users", Value: partition.DefaultSharedDeviceUsers, Usage: "a device with more users than `N` joins nobody"}),
		&cli.Int64Flag{Name: "hot", Value: partition.DefaultHot, Usage: "an identity with more events than `N` gets a partition of its own"},
		&cli.StringFlag{Name: "insert-id-collisions", Value: partition.Suffix, Usage: "other events with the insert id of an earlier one of the device: `suffix` (give them another id), keep-first, keep-last, reject or stop"},
		&cli.StringFlag{Name: "memory", DefaultText: "a quarter of the machine's", Usage: "bound on resident memory, such as 512MiB or 2GB (`SIZE`), at least 64MiB"},
	}
}

func partitionOptions(ui *ui, c *cli.Context) (partition.Options, error) {
	memory := max(machineMemory()/4, partition.MinMemory)
	if c.IsSet("memory") {
		var err error
		if memory, err = parseSize(c.String("memory")); err != nil {
			return partition.Options{}, usagef("--memory: %w", err)
		}
	}
	return partition.Options{
		Stdin: ui.stdin, Jobs: c.Int("jobs"), Version: version, Sink: ui.find, Memory: memory,
		Estimate: func(e partition.Estimate) { noteEstimate(ui, e) },
		Rules: partition.Rules{
			Partitions: c.Int("partitions"), By: c.String("by"), SharedDeviceUsers: c.Int("shared-device-users"),
			Hot: c.Int64("hot"), Collisions: c.String("insert-id-collisions"),
			Compress: eventfile.Compression(c.String("compress")),
		},
	}, nil
}

// machineMemory is how much memory the machine has, or the control group that
// the process runs in; 4 GiB where that cannot be told.
func machineMemory() int64 {
	memory := int64(4 << 30)
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(data), "MemTotal: %d kB", &kib); err == nil {
			memory = kib << 10
		}
	}
	if data, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil {
			memory = min(memory, limit)
		}
	}
	return memory
}

func noteEstimate(ui *ui, e partition.Estimate) {
	free := ""
	if e.Free >= 0 {
		free = fmt.Sprintf(", %s MiB are free", progress.Thousands(e.Free>>20))
	}
	ui.note("partition: about %s MiB of disk are needed for the partitions and %s MiB for a time%s",
		progress.Thousands(e.Output>>20+1), progress.Thousands(e.Spill>>20), free)
}

func checkPartitions(ui *ui, c *cli.Context, o partition.Options) error {
	if c.NArg() > 0 || c.IsSet("output") {
		return usagef("partition --check DIR takes no inputs and no -o")
	}
	debug.SetMemoryLimit(partition.RuntimeMemory(o.Memory))
	var s partition.CheckSummary
	_, err := ui.stage("partition --check", func(m *progress.Meter) (err error) {
		s, err = partition.Check(c.Context, partition.CheckOptions{Dir: c.String("check"), Memory: o.Memory, Jobs: o.Jobs, Meter: m, Sink: ui.find})
		return err
	})
	if err != nil {
		return err
	}
	ui.endFindings("")
	err = ui.result(s, func(w io.Writer) {
		fmt.Fprintf(w, "partition --check: %s events of %s identities in %s partitions, %s\n", progress.Thousands(s.Events),
			progress.Thousands(s.Identities), progress.Thousands(s.Files), count(s.Findings, "findings", nil))
		if s.Missing > 0 {
			fmt.Fprintf(w, "  not checked: identities that Amplitude IDs alone join, %s of the identities/ files read are gone or changed\n",
				progress.Thousands(s.Missing))
		}
	})
	if err == nil && s.Findings > 0 {
		err = errFound
	}
	return err
}

func partitionVerdict(s partition.Summary) error {
	if s.Rejected > 0 || s.Damaged > 0 {
		return errFound
	}
	return nil
}

func printPartition(w io.Writer, s partition.Summary, out string) {
	fmt.Fprintf(w, "partition: %s read = %s + %s + %s, in %s partitions, %s\n",
		progress.Thousands(s.Read), count(s.Written, "written", nil), count(s.Rejected, "rejected", s.RejectedBy),
		count(s.Dropped, "dropped", s.DroppedBy), progress.Thousands(s.Partitions), rate(s.EventsPerSecond, s.Finished))
	fmt.Fprintf(w, "  %s, the largest with %s; %s joined to users, %s shared by too many\n",
		progress.Amount(s.Identities, "identity", "identities"), progress.Amount(s.LargestIdentity, "event", "events"), progress.Amount(s.Joined, "device", "devices"), progress.Thousands(s.SharedDevices))
	if s.HotIdentities > 0 {
		fmt.Fprintf(w, "  %s identities with very many events have partitions of their own, the last ones\n", progress.Thousands(s.HotIdentities))
	}
	if s.SharedDevices > 0 {
		fmt.Fprintf(w, "  on a shared device the order of anonymous events against those of its users is not guaranteed\n")
		if s.SharedDevices <= partition.MaxSharedListed {
			fmt.Fprintf(w, "  these devices are listed in %s\n", filepath.Join(out, "identities"))
		}
	}
	if s.Collisions > 0 {
		fmt.Fprintf(w, "  %s events had the insert id of another event of their device, see %s\n",
			progress.Thousands(s.Collisions), filepath.Join(out, "rejected"))
	}
	if s.WithoutInsertID > 0 {
		fmt.Fprintf(w, "  %s events have no insert_id: duplicates among them cannot be seen\n", progress.Thousands(s.WithoutInsertID))
	}
	if s.Damaged > 0 {
		fmt.Fprintf(w, "  %s damaged: what could be read is written\n", progress.Amount(s.Damaged, "input", "inputs"))
	}
	fmt.Fprintf(w, "  partitions in %s\n", filepath.Join(out, "partitions"))
}
