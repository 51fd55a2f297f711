// The Go side of test/interop/note: signed notes by golang.org/x/mod/sumdb/note, trees and proofs by
// golang.org/x/mod/sumdb/tlog.
//
//	note key NAME		a new signer's key and its verifier key, a line each
//	note sign KEY		signs the text on stdin
//	note open VKEY		verifies the note on stdin
//	note check DIRECTORY VKEY	checks the proofs that are there
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func read(path string) string {
	data, err := os.ReadFile(path)
	must(err, path)
	return string(data)
}

func hashes(lines []string) []tlog.Hash {
	var parsed []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		must(err, line)
		parsed = append(parsed, hash)
	}
	return parsed
}

func number(text, prefix string) int64 {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, prefix), 10, 64)
	must(err, text)
	return n
}

// The head of a log, from a note that the key signed.
func openCheckpoint(text, vkey string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(vkey)
	must(err, vkey)
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	must(err, text)
	lines := strings.Split(opened.Text, "\n")
	return number(lines[1], ""), hashes(lines[2:3])[0]
}

// A tree of tlog's own over the leaves of the log.
type tree []tlog.Hash

func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, t[index])
	}
	return found, nil
}

func files(pattern string) []string {
	paths, err := filepath.Glob(pattern)
	must(err, pattern)
	return paths
}

func check(directory, vkey string) {
	leaves := hashes(strings.Fields(read(filepath.Join(directory, "leaves"))))
	var stored tree
	for i, leaf := range leaves {
		added, err := tlog.StoredHashesForRecordHash(int64(i), leaf, stored)
		must(err, "tree")
		stored = append(stored, added...)
	}

	roots := map[int64]tlog.Hash{}
	for _, path := range files(filepath.Join(directory, "*.note")) {
		size, root := openCheckpoint(read(path), vkey)
		own, err := tlog.TreeHash(size, stored)
		must(err, path)
		if own != root {
			must(fmt.Errorf("the root of %d entries is %s", size, own), path)
		}
		roots[size] = root
	}

	included := 0
	for _, path := range files(filepath.Join(directory, "*.inclusion")) {
		parts := strings.SplitN(read(path), "\n\n", 2)
		lines := strings.Split(parts[0], "\n")
		size, root := openCheckpoint(parts[1], vkey)
		index := number(lines[1], "index ")
		proof := tlog.RecordProof(hashes(lines[2:]))
		must(tlog.CheckRecord(proof, size, root, index, leaves[index]), path)
		if tlog.CheckRecord(proof, size, root, index, tlog.Hash{}) == nil {
			must(fmt.Errorf("it holds for any entry"), path)
		}
		included++
	}

	consistent := 0
	for _, path := range files(filepath.Join(directory, "*.consistency")) {
		parts := strings.SplitN(read(path), "\n\n", 2)
		lines := strings.Split(parts[0], "\n")
		size, root := openCheckpoint(parts[1], vkey)
		old := number(lines[0], "old ")
		must(tlog.CheckTree(tlog.TreeProof(hashes(lines[1:])), size, root, old, roots[old]), path)
		consistent++
	}
	fmt.Printf("%d roots, %d inclusion proofs, %d consistency proofs\n", len(roots), included, consistent)
}

func main() {
	switch os.Args[1] {
	case "key":
		key, vkey, err := note.GenerateKey(rand.Reader, os.Args[2])
		must(err, "key")
		fmt.Printf("%s\n%s\n", key, vkey)
	case "sign":
		text, err := io.ReadAll(os.Stdin)
		must(err, "stdin")
		signer, err := note.NewSigner(os.Args[2])
		must(err, "key")
		signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
		must(err, "sign")
		os.Stdout.Write(signed)
	case "open":
		text, err := io.ReadAll(os.Stdin)
		must(err, "stdin")
		size, _ := openCheckpoint(string(text), os.Args[2])
		fmt.Println(size)
	case "check":
		check(os.Args[2], os.Args[3])
	}
}
