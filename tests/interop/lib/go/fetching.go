// What franz-go fetches: fetching [-flags] fetches ADDRESS SECONDS TOPIC,TOPIC... deletes the last topic after
// a quarter of that time and prints how many fetches the rest of it took, and how many errors the application was
// handed; fetching [-flags] half ADDRESS TOPIC COUNT prints, once COUNT records were read, how many each partition
// gave, and how many milliseconds it took.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	group        = flag.String("group", "", "read as a member of this group")
	wait         = flag.Duration("wait", 500*time.Millisecond, "what a fetch may wait")
	minBytes     = flag.Int("min-bytes", 1, "what a fetch waits for")
	maxBytes     = flag.Int("max-bytes", 50<<20, "what an answer may hold")
	maxPartition = flag.Int("max-partition-bytes", 1<<20, "what it may hold of one partition")
)

// fetches counts the Fetch requests of a client.
type fetches struct{ atomic.Int64 }

func (f *fetches) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == int16(kmsg.Fetch) {
		f.Add(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func client(address string, topics []string, options ...kgo.Opt) *kgo.Client {
	options = append(options,
		kgo.SeedBrokers(address), kgo.ConsumeTopics(topics...), kgo.FetchMaxWait(*wait),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMinBytes(int32(*minBytes)),
		kgo.FetchMaxBytes(int32(*maxBytes)), kgo.FetchMaxPartitionBytes(int32(*maxPartition)))
	if *group != "" {
		options = append(options, kgo.ConsumerGroup(*group))
	}
	c, err := kgo.NewClient(options...)
	check(err)
	return c
}

// pollFor reads for that long and returns how many errors came.
func pollFor(c *kgo.Client, span time.Duration) (errors int) {
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	for {
		found := c.PollFetches(ctx)
		if ctx.Err() != nil {
			return errors
		}
		errors += len(found.Errors())
	}
}

func remove(c *kgo.Client, topic string) {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames = []string{topic}
	request.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &topic}}
	answer, err := request.RequestWith(context.Background(), c)
	check(err)
	if code := answer.Topics[0].ErrorCode; code != 0 {
		check(fmt.Errorf("DeleteTopics: %d", code))
	}
}

func count(address string, seconds int, topics []string) {
	sent := &fetches{}
	c := client(address, topics, kgo.WithHooks(sent))
	defer c.Close()
	part := time.Duration(seconds) * time.Second / 4
	if errors := pollFor(c, part); errors != 0 {
		check(fmt.Errorf("%d errors while nothing was wrong", errors))
	}
	before := sent.Load()
	remove(c, topics[len(topics)-1])
	errors := pollFor(c, 3*part)
	fmt.Printf("%d\t%d\n", sent.Load()-before, errors)
}

func half(address, topic string, left int) {
	c := client(address, []string{topic})
	defer c.Close()
	began, counts := time.Now(), map[int32]int{}
	for left > 0 {
		found := c.PollRecords(context.Background(), 50)
		check(found.Err())
		found.EachRecord(func(r *kgo.Record) {
			if left--; left >= 0 {
				counts[r.Partition]++
			}
		})
	}
	fmt.Println(time.Since(began).Milliseconds())
	for _, partition := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%d\t%d\n", partition, counts[partition])
	}
}

func main() {
	flag.Parse()
	args := flag.Args()
	switch {
	case len(args) == 4 && args[0] == "fetches":
		count(args[1], number(args[2]), strings.Split(args[3], ","))
	case len(args) == 4 && args[0] == "half":
		half(args[1], args[2], number(args[3]))
	default:
		check(fmt.Errorf("no such use: %v", args))
	}
}
