// Goverify asks libraries that others wrote what they think of files that `ledger` wrote.
//
//	goverify log VKEY DIR               a directory of tiles: x/mod's note and tlog, then tessera's fsck
//	goverify receipt VKEY FILE ENTRY    a .tlog-proof and the file with the entry's bytes: x/mod's note and tlog
//	goverify growth VKEY FILE           a .growth-proof: the same
//	goverify account VKEY FILE          an .account-proof, by what docs/FORMAT.md says and nothing else
//
// The last line is "accepted" and the exit status 0, or "rejected: why" and 1. Nothing else means acceptance.
package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println("rejected:", err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: goverify log|receipt|growth|account VKEY FILE [ENTRY]")
	}
	key, err := note.NewVerifier(args[1])
	if err != nil {
		return err
	}
	switch {
	case args[0] == "log" && len(args) == 3:
		return checkLog(args[2], key)
	case args[0] == "receipt" && len(args) == 4:
		return checkReceipt(args[2], args[3], key)
	case args[0] == "growth" && len(args) == 3:
		return checkGrowth(args[2], key)
	case args[0] == "account" && len(args) == 3:
		return checkAccount(args[2], key)
	}
	return errors.New("wrong arguments")
}

// checkpoint is what a signed checkpoint says, once its signature was verified.
type checkpoint struct {
	origin string
	tree   tlog.Tree
}

func openCheckpoint(data []byte, key note.Verifier) (*checkpoint, error) {
	opened, err := note.Open(data, note.VerifierList(key))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return nil, fmt.Errorf("not a checkpoint of %s: %q", key.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] || size < 0 {
		return nil, fmt.Errorf("not a size: %q", lines[1])
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return nil, err
	}
	return &checkpoint{lines[0], tlog.Tree{N: size, Hash: root}}, nil
}

func parseHash(text string) (tlog.Hash, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("not a hash: %q", text)
	}
	return tlog.Hash(data), nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(lines))
	for i, line := range lines {
		hash, err := parseHash(line)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash
	}
	return hashes, nil
}

func checkReceipt(path, entryPath string, key note.Verifier) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(entryPath)
	if err != nil {
		return err
	}
	head, signed, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a receipt")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	proof, err := parseHashes(lines[2:])
	if err != nil {
		return err
	}
	cp, err := openCheckpoint(signed, key)
	if err != nil {
		return err
	}
	if index < 0 || index >= cp.tree.N {
		return fmt.Errorf("index %d of %d entries", index, cp.tree.N)
	}
	return tlog.CheckRecord(proof, cp.tree.N, cp.tree.Hash, index, tlog.RecordHash(entry))
}

func checkGrowth(path string, key note.Verifier) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parts := bytes.Split(data, []byte("\n\n"))
	if len(parts) != 5 {
		return errors.New("not a growth proof")
	}
	proof, err := parseHashes(strings.Split(string(parts[0]), "\n")[1:])
	if err != nil {
		return err
	}
	older, err := openCheckpoint([]byte(string(parts[1])+"\n\n"+string(parts[2])+"\n"), key)
	if err != nil {
		return err
	}
	newer, err := openCheckpoint([]byte(string(parts[3])+"\n\n"+string(parts[4])), key)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, newer.tree.N, newer.tree.Hash, older.tree.N, older.tree.Hash)
}
