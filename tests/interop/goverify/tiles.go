package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"k8s.io/klog/v2"
)

const (
	height   = 8
	perTile  = 1 << height
	fsckTime = 30 * time.Second
)

func checkLog(dir string, key note.Verifier) error {
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	cp, err := openCheckpoint(signed, key)
	if err != nil {
		return err
	}
	if err := checkEntries(tileDir(dir), cp.tree); err != nil {
		return err
	}
	if err := askFsck(dir, cp.origin, key); err != nil {
		return fmt.Errorf("tessera's fsck: %w", err)
	}
	fmt.Println("size", cp.tree.N)
	return nil
}

// checkEntries holds every entry against the tiles, every tile against the root, and every path of the tree's against a file.
func checkEntries(dir tileDir, tree tlog.Tree) error {
	reader := tlog.TileHashReader(tree, dir)
	for first := int64(0); first < tree.N; first += perTile {
		width := min(perTile, tree.N-first)
		entries, err := dir.bundle(first/perTile, int(width))
		if err != nil {
			return err
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != hashes[i] {
				return fmt.Errorf("entry %d is not the one of its tile", first+int64(i))
			}
		}
	}
	return dir.checkAll(tree.N)
}

// tileDir is a directory as x/mod reads tiles.
type tileDir string

func (dir tileDir) Height() int                     { return height }
func (dir tileDir) SaveTiles([]tlog.Tile, [][]byte) {}

func (dir tileDir) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	contents := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := dir.read(tile)
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%v has %d bytes", tile, len(data))
		}
		contents[i] = data
	}
	return contents, nil
}

// read returns a tile's file. x/mod puts the tiles' height into a path, C2SP does not, and says entries for data.
func (dir tileDir) read(tile tlog.Tile) ([]byte, error) {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	path = strings.Replace(path, "data/", "entries/", 1)
	return os.ReadFile(filepath.Join(string(dir), "tile", filepath.FromSlash(path)))
}

func (dir tileDir) bundle(number int64, width int) ([][]byte, error) {
	data, err := dir.read(tlog.Tile{H: height, L: -1, N: number, W: width})
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d is cut", number)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != width {
		return nil, fmt.Errorf("bundle %d has %d entries, not %d", number, len(entries), width)
	}
	return entries, nil
}

// checkAll reads every tile that the size implies, those above the leaves too, and compares it with the hashes below it.
func (dir tileDir) checkAll(size int64) error {
	for level, count := 1, size>>height; count > 0; level, count = level+1, count>>height {
		for first := int64(0); first < count; first += perTile {
			width := int(min(perTile, count-first))
			tile := tlog.Tile{H: height, L: level, N: first / perTile, W: width}
			data, err := dir.ReadTiles([]tlog.Tile{tile})
			if err != nil {
				return err
			}
			for i := range width {
				below := tlog.Tile{H: height, L: level - 1, N: first + int64(i), W: perTile}
				hashes, err := dir.ReadTiles([]tlog.Tile{below})
				if err != nil {
					return err
				}
				root := rootOf(hashes[0])
				if !bytes.Equal(root[:], data[0][i*tlog.HashSize:(i+1)*tlog.HashSize]) {
					return fmt.Errorf("%v does not fit %v", tile, below)
				}
			}
		}
	}
	return nil
}

// rootOf returns the root over a full tile.
func rootOf(tile []byte) tlog.Hash {
	row := make([]tlog.Hash, perTile)
	for i := range row {
		row[i] = tlog.Hash(tile[i*tlog.HashSize : (i+1)*tlog.HashSize])
	}
	for ; len(row) > 1; row = row[:len(row)/2] {
		for i := range len(row) / 2 {
			row[i] = tlog.NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}

// askFsck asks tessera's checker. Its workers end at a bad tile and the rest then waits for ever: hence many of them, and a limit.
func askFsck(dir, origin string, key note.Verifier) error {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(flags)
	if err := flags.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"}); err != nil {
		return err
	}
	klog.SetOutput(io.Discard)
	ctx, cancel := context.WithTimeout(context.Background(), fsckTime)
	defer cancel()
	answer := make(chan error, 1)
	go func() {
		// It crashes on some bundles; that is a rejection as well.
		defer func() {
			if crash := recover(); crash != nil {
				answer <- fmt.Errorf("crashed: %v", crash)
			}
		}()
		answer <- fsck.New(origin, key, client.FileFetcher{Root: dir}, leafHashes, fsck.Opts{N: 64}).Check(ctx)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return errors.New("no answer")
	}
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var hashes [][]byte
	for len(bundle) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		if end > len(bundle) {
			return nil, errors.New("the bundle is cut")
		}
		hash := tlog.RecordHash(bundle[2:end])
		hashes = append(hashes, hash[:])
		bundle = bundle[end:]
	}
	return hashes, nil
}
