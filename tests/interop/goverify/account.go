package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// accountProof is an account proof as docs/FORMAT.md specifies it, and this file checks it as that document says: nothing here
// comes from the program that writes it.
type accountProof struct {
	account, unchanged string
	from, to           time.Time // zero where there is none
	first, last, edge  []tlog.Hash
	entries, rest      [][]byte
	cp                 *checkpoint
}

// entry is what a proof looks at.
type entry struct {
	V            int
	Index        int64
	Account      *string
	AccountIndex *int64    `json:"account_index"`
	AccountPrev  *string   `json:"account_prev"`
	RecordedAt   time.Time `json:"recorded_at"`
	Outcome      string
	Event        struct{ Subject string }
	Others       []struct{ Subject string }
}

func checkAccount(path string, key note.Verifier) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	proof, err := parseAccount(data, key)
	if err != nil {
		return err
	}
	entries, err := proof.checkChain()
	if err != nil {
		return err
	}
	last := entries[len(entries)-1]
	for _, end := range []struct {
		line []byte
		at   *entry
		path []tlog.Hash
	}{{proof.entries[0], entries[0], proof.first}, {proof.entries[len(entries)-1], last, proof.last}} {
		if end.at.Index < 0 || end.at.Index >= proof.cp.tree.N {
			return errors.New("an end is not in the tree")
		}
		if err := tlog.CheckRecord(end.path, proof.cp.tree.N, proof.cp.tree.Hash, end.at.Index, tlog.RecordHash(end.line)); err != nil {
			return err
		}
	}
	inside, after, err := proof.checkRange(entries)
	if err != nil {
		return err
	}
	if err := proof.checkRest(last); err != nil {
		return err
	}
	closed := after || last.Index+int64(len(proof.rest))+1 == proof.cp.tree.N
	if len(inside) == 0 && !closed {
		return errors.New("it shows nothing of its range")
	}
	if proof.unchanged != "" && slices.ContainsFunc(inside, func(e *entry) bool { return e.touches(proof.unchanged) }) {
		return errors.New("the script was changed")
	}
	fmt.Println("in the range", len(inside), "closed", closed)
	return nil
}

func parseAccount(data []byte, key note.Verifier) (*accountProof, error) {
	parts := bytes.SplitN(data, []byte("\n\n"), 4)
	if len(parts) != 4 || !bytes.HasSuffix(parts[3], []byte("\n")) {
		return nil, errors.New("not an account proof")
	}
	cp, err := openCheckpoint([]byte(string(parts[1])+"\n\n"+string(parts[2])+"\n"), key)
	if err != nil {
		return nil, err
	}
	head := strings.Split(string(parts[0]), "\n")
	value := func(name string) (string, bool) {
		if len(head) == 0 || !strings.HasPrefix(head[0], name+" ") {
			return "", false
		}
		found := head[0][len(name)+1:]
		head = head[1:]
		return found, true
	}
	if head[0] != "deployment-ledger/account-proof@v1" {
		return nil, errors.New("another first line")
	}
	head = head[1:]
	proof := &accountProof{cp: cp}
	proof.account, _ = value("account")
	if text, ok := value("from"); ok {
		if proof.from, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, err
		}
	}
	if text, ok := value("to"); ok {
		if proof.to, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, err
		}
	}
	proof.unchanged, _ = value("unchanged")
	count, _ := value("entries")
	number, err := strconv.Atoi(count)
	if err != nil || number < 1 {
		return nil, errors.New("no number of entries")
	}
	more, hasRest := value("rest")
	lines := bytes.Split(bytes.TrimSuffix(parts[3], []byte("\n")), []byte("\n"))
	if rest, err := strconv.Atoi(more); hasRest && (err != nil || rest < 1 || number+rest != len(lines)) || !hasRest && number != len(lines) {
		return nil, errors.New("another number of entries")
	}
	proof.entries, proof.rest = lines[:number], lines[number:]
	names := []string{"first", "last"}
	if hasRest {
		names = append(names, "edge")
	}
	for _, name := range names {
		if len(head) == 0 || head[0] != name {
			return nil, fmt.Errorf("no %s", name)
		}
		end := 1
		for end < len(head) && head[end] != "last" && head[end] != "edge" {
			end++
		}
		hashes, err := parseHashes(head[1:end])
		if err != nil {
			return nil, err
		}
		head = head[end:]
		switch name {
		case "first":
			proof.first = hashes
		case "last":
			proof.last = hashes
		default:
			proof.edge = hashes
		}
	}
	if len(head) != 0 || proof.account == "" {
		return nil, errors.New("lines too many or too few")
	}
	return proof, nil
}

func parseEntry(line []byte) (*entry, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, line); err != nil || !bytes.Equal(compact.Bytes(), line) {
		return nil, errors.New("not compact JSON")
	}
	found := new(entry)
	if err := json.Unmarshal(line, found); err != nil {
		return nil, err
	}
	if found.V != 1 || len(line) > 65535 {
		return nil, errors.New("not an entry")
	}
	return found, nil
}

func (p *accountProof) checkChain() ([]*entry, error) {
	var entries []*entry
	for i, line := range p.entries {
		e, err := parseEntry(line)
		if err != nil {
			return nil, err
		}
		if e.Account == nil || *e.Account != p.account || e.AccountIndex == nil || (*e.AccountIndex == 0) != (e.AccountPrev == nil) {
			return nil, fmt.Errorf("entry %d is not one of the account's chain", e.Index)
		}
		if i > 0 {
			before, hash := entries[i-1], tlog.RecordHash(p.entries[i-1])
			if e.AccountPrev == nil || *e.AccountPrev != hex.EncodeToString(hash[:]) || *e.AccountIndex != *before.AccountIndex+1 ||
				e.Index <= before.Index || e.RecordedAt.Before(before.RecordedAt) {
				return nil, fmt.Errorf("entry %d does not follow entry %d", e.Index, before.Index)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (p *accountProof) checkRange(entries []*entry) (inside []*entry, after bool, err error) {
	early, late := 0, 0
	for _, e := range entries {
		switch {
		case !p.from.IsZero() && e.RecordedAt.Before(p.from):
			early++
		case !p.to.IsZero() && !e.RecordedAt.Before(p.to):
			late++
		default:
			inside = append(inside, e)
		}
	}
	if early > 1 || late > 1 || early == 0 && *entries[0].AccountIndex != 0 || late > 0 && len(p.rest) > 0 {
		return nil, false, errors.New("the range is not shown as it must be")
	}
	return inside, late > 0, nil
}

func (p *accountProof) checkRest(last *entry) error {
	if len(p.rest) == 0 {
		return nil
	}
	// The stored hashes of the tree up to the last entry are known by their complete subtrees; the rest is appended to them.
	size, known := last.Index+1, map[int64]tlog.Hash{}
	for level, low, left := 62, int64(0), slices.Clone(p.edge); level >= 0; level-- {
		if size>>level&1 == 0 {
			continue
		}
		if len(left) == 0 {
			return errors.New("too few hashes at the edge")
		}
		known[tlog.StoredHashIndex(level, low>>level)] = left[0]
		low, left = low+1<<level, left[1:]
		if low == size && len(left) != 0 {
			return errors.New("too many hashes at the edge")
		}
	}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hash, ok := known[index]
			if !ok {
				return nil, errors.New("a hash is not known")
			}
			hashes[i] = hash
		}
		return hashes, nil
	})
	recorded := last.RecordedAt
	for i, line := range p.rest {
		e, err := parseEntry(line)
		if err != nil {
			return err
		}
		if e.Index != size+int64(i) || e.RecordedAt.Before(recorded) || e.Account != nil && *e.Account == p.account {
			return fmt.Errorf("entry %d does not belong to the rest", e.Index)
		}
		recorded = e.RecordedAt
		stored, err := tlog.StoredHashes(e.Index, line, reader)
		if err != nil {
			return err
		}
		for j, hash := range stored {
			known[tlog.StoredHashIndex(0, e.Index)+int64(j)] = hash
		}
	}
	root, err := tlog.TreeHash(size+int64(len(p.rest)), reader)
	if err != nil || root != p.cp.tree.Hash || size+int64(len(p.rest)) != p.cp.tree.N {
		return errors.New("the rest is not what the log has there")
	}
	return nil
}

func (e *entry) touches(script string) bool {
	own := e.Event.Subject == script && slices.Contains([]string{"deployed", "uploaded", "changed", "deleted"}, e.Outcome)
	return own || slices.ContainsFunc(e.Others, func(other struct{ Subject string }) bool { return other.Subject == script })
}
