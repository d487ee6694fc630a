// SPDX-License-Identifier: GPL-2.0

// golang draws from crypto/rand in 200 goroutines, each on a thread of its own,
// and succeeds when no draw is zero or equal to another one.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"sync"
)

const (
	threads   = 200
	perThread = 1000
	sample    = 16 // bytes: no two are equal by chance
)

type draws [perThread][sample]byte

// A thread that ended would leave its state to one that has yet to draw: so
// each waits for all others before and after.
func draw(into *draws, here, done *sync.WaitGroup) {
	runtime.LockOSThread()
	here.Done()
	here.Wait()
	for i := range into {
		rand.Read(into[i][:])
	}
	done.Done()
	done.Wait()
}

func drawInThreads() *[threads]draws {
	var here, done sync.WaitGroup
	all := new([threads]draws)

	here.Add(threads)
	done.Add(threads)
	for i := range all {
		go draw(&all[i], &here, &done)
	}
	done.Wait()
	return all
}

func check(all *[threads]draws) error {
	seen := make(map[[sample]byte]bool, threads*perThread)

	for i := range all {
		for _, bytes := range all[i] {
			if bytes == [sample]byte{} {
				return fmt.Errorf("zeros came out")
			}
			if seen[bytes] {
				return fmt.Errorf("the same bytes came out twice")
			}
			seen[bytes] = true
		}
	}
	return nil
}

func main() {
	fmt.Printf("# %s\n", runtime.Version())
	if err := check(drawInThreads()); err != nil {
		fmt.Printf("# %v\n", err)
		os.Exit(1)
	}
}
