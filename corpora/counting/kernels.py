"""Hash tables of words: split, hash, count and look up bytes, without the GIL.

A table consists of four arrays. Word ``i`` is ``arena[entries[i, 0]:entries[i + 1, 0]]`` in UTF-8,
and ``entries[i, 1]`` is its count or id. ``slots`` is an open-addressing hash table whose size is a
power of two, at most half full: the upper half of a slot holds the upper half of a word's hash, the
lower half the number of the word plus 1; empty slots are 0. ``state`` holds the numbers defined
below.

The caller manages memory: functions that add words stop when the table is full.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from corpora.jit import compiled

# Indices into `state`
WORDS, BYTES, TOKENS, DOCUMENTS, NEEDED = range(5)
STATE_SIZE = 5

PARTS = 1 << 12  # partitions of a table, by the first bits of the hash
_PART_SHIFT = np.uint64(52)

FACTOR = np.uint64(0xFF51AFD7ED558CCD)  # of the hash function; with 0, all words have the same hash
_SEED = np.uint64(0x9E3779B97F4A7C15)
_U29, _U32, _LOW = np.uint64(29), np.uint64(32), np.uint64(0xFFFFFFFF)
_U0, _U1 = np.uint64(0), np.uint64(1)

# Bytes at which str.split may split. _LEAD: first byte of whitespace that is several bytes long.
_SPACE, _NEWLINE, _LEAD = 1, 2, 3
_KIND = np.zeros(256, np.uint8)
_KIND[[*range(0x09, 0x0E), *range(0x1C, 0x21)]] = _SPACE
_KIND[0x0A] = _NEWLINE
_KIND[[0xC2, 0xE1, 0xE2, 0xE3]] = _LEAD


@compiled(nogil=True)
def _space(text, p):  # type: ignore[no-untyped-def]
    """Return the length of multi-byte whitespace that starts at `p`, or 0."""
    lead = text[p]
    if lead == 0xC2:  # U+0085, U+00A0
        return 2 if p + 1 < len(text) and (text[p + 1] == 0x85 or text[p + 1] == 0xA0) else 0
    if p + 2 >= len(text):
        return 0
    b, c = text[p + 1], text[p + 2]
    if lead == 0xE1:  # U+1680
        found = b == 0x9A and c == 0x80
    elif lead == 0xE2:  # U+2000 to 200A, 2028, 2029, 202F; U+205F
        found = b == 0x80 and (c <= 0x8A or c == 0xA8 or c == 0xA9 or c == 0xAF)
        found = found or (b == 0x81 and c == 0x9F)
    else:  # U+3000
        found = b == 0x80 and c == 0x80
    return 3 if found else 0


@compiled(nogil=True)
def _mixed(h, factor):  # type: ignore[no-untyped-def]
    """Mix a hash, so that all of its bits depend on all bytes."""
    h = (h ^ (h >> _U32)) * factor
    return h ^ (h >> _U29)


@compiled(nogil=True)
def _hash(data, start, stop, factor):  # type: ignore[no-untyped-def]
    h = _SEED
    for p in range(start, stop):
        h = (h ^ np.uint64(data[p])) * factor
    return _mixed(h, factor)


@compiled(nogil=True)
def _next_word(text, p, factor):  # type: ignore[no-untyped-def]
    """Return start, end and hash of the next word of a line.

    If there is no further word, start and end are the end of the line.
    """
    n = len(text)
    while p < n:
        kind = _KIND[text[p]]
        if kind == _NEWLINE:
            return p, p, _U0
        if kind == _SPACE:
            p += 1
            continue
        length = _space(text, p) if kind == _LEAD else 0
        if length == 0:
            break
        p += length
    start = p
    h = _SEED
    while p < n:
        byte = text[p]
        kind = _KIND[byte]
        if kind != 0 and (kind != _LEAD or _space(text, p) != 0):
            break
        h = (h ^ np.uint64(byte)) * factor
        p += 1
    return start, p, _mixed(h, factor)


@compiled(nogil=True)
def _find(data, start, stop, h, slots, entries, arena):  # type: ignore[no-untyped-def]
    """Return the number of a word, or -1, and the slot in which it is or would be."""
    mask = np.uint64(len(slots) - 1)
    tag = h >> _U32
    at = h & mask
    while True:
        slot = slots[at]
        if slot == _U0:
            return -1, at
        if slot >> _U32 == tag:
            word = np.int64(slot & _LOW) - 1
            first = entries[word, 0]
            if entries[word + 1, 0] - first == stop - start:
                p = start
                while p < stop and data[p] == arena[first + p - start]:
                    p += 1
                if p == stop:
                    return word, at
        at = (at + _U1) & mask


# Words of a text are looked up in batches, in steps for the whole batch: a processor then reads
# from several places of a large table at the same time.

_BATCH = 128
_LITTLE = sys.byteorder == "little"


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _eight_bytes(typingctx, array, i):  # type: ignore[no-untyped-def]
    """``array[i:i + 8]`` as an integer, without a check of bounds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(array, types.intp), codegen


@compiled(nogil=True)
def _equal(text, start, stop, arena, first):  # type: ignore[no-untyped-def]
    """Whether ``text[start:stop]`` is at `first` in the arena."""
    p = start
    if _LITTLE and start + 8 <= len(text) and first + 8 <= len(arena):
        difference = _eight_bytes(text, start) ^ _eight_bytes(arena, first)
        if stop - start < 8:  # most words
            return difference << np.uint64(8 * (8 - stop + start)) == _U0
        if difference != _U0:
            return False
        p += 8
    while p < stop and text[p] == arena[first + p - start]:
        p += 1
    return p == stop


@compiled(nogil=True)
def _batch(text, p, factor, slots, entries, arena, starts, stops, hashes, words):  # type: ignore[no-untyped-def]
    """Split the next part of a text, and look up its words.

    Parameters
    ----------
    text : uint8 array
        Whole lines, encoded as UTF-8.
    p : int
        Where to start.
    factor, slots, entries, arena
        The table.
    starts, stops : int64 arrays of shape (_BATCH,), overwritten
        Element ``i`` is ``text[starts[i]:stops[i]]``: a word, or if it is empty, the end of a line.
    hashes : uint64 array of shape (_BATCH,), overwritten
    words : int64 array of shape (_BATCH,), overwritten
        Number of each word if it is in the slot of its hash. If it is -1, `_find` may find it.

    Returns
    -------
    n, p : int
        Number of elements, and where to continue; len(text) after the last line end.
    """
    mask = np.uint64(len(slots) - 1)
    n = 0
    while n < _BATCH:
        starts[n], stops[n], hashes[n] = _next_word(text, p, factor)
        p = stops[n]
        n += 1
        if starts[n - 1] == p:
            if p >= len(text):
                break
            p += 1
    for i in range(n):
        slot = slots[hashes[i] & mask]
        found = slot != _U0 and slot >> _U32 == hashes[i] >> _U32
        words[i] = np.int64(slot & _LOW) - 1 if found else -1
    for i in range(n):
        word = words[i]
        if word >= 0:
            first, length = entries[word, 0], stops[i] - starts[i]
            found = entries[word + 1, 0] - first == length
            if not (found and _equal(text, starts[i], stops[i], arena, first)):
                words[i] = -1
    return n, p


@compiled(nogil=True)
def _insert(data, start, stop, h, at, value, slots, entries, arena, state):  # type: ignore[no-untyped-def]
    """Insert a new word in the slot `at`. If the table is full, return False and set NEEDED."""
    word, first = state[WORDS], state[BYTES]
    end = first + stop - start
    if word + 1 >= len(entries) or end > len(arena):
        state[NEEDED] = stop - start
        return False
    for p in range(start, stop):
        arena[first + p - start] = data[p]
    slots[at] = (h >> _U32) << _U32 | np.uint64(word + 1)
    entries[word, 1] = value
    entries[word + 1, 0] = end
    state[WORDS], state[BYTES] = word + 1, end
    return True


@compiled(nogil=True)
def count_text(text, p, in_line, factor, slots, entries, arena, state):  # type: ignore[no-untyped-def]
    """Count the words of a text; each line with words is a document.

    Parameters
    ----------
    text : uint8 array
        Whole lines, encoded as UTF-8.
    p, in_line : int
        Where to start, and the number of words in the line before that position.
    factor, slots, entries, arena, state
        The table.

    Returns
    -------
    p, in_line : int
        As above, to continue once the table has been enlarged; ``p == len(text)`` at the end.
    """
    starts, stops = np.empty(_BATCH, np.int64), np.empty(_BATCH, np.int64)
    hashes, words = np.empty(_BATCH, np.uint64), np.empty(_BATCH, np.int64)
    while True:
        n, p = _batch(text, p, factor, slots, entries, arena, starts, stops, hashes, words)
        for i in range(n):
            start, stop, word = starts[i], stops[i], words[i]
            if start == stop:
                if in_line > 0:
                    state[DOCUMENTS] += 1
                    state[TOKENS] += in_line
                    in_line = 0
                if stop >= len(text):
                    return stop, in_line
                continue
            if word < 0:
                h = hashes[i]
                word, at = _find(text, start, stop, h, slots, entries, arena)
                if word < 0:
                    if not _insert(text, start, stop, h, at, 0, slots, entries, arena, state):
                        return start, in_line
                    word = state[WORDS] - 1
            entries[word, 1] += 1
            in_line += 1


@compiled(nogil=True)
def add_words(data, bounds, values, i, factor, slots, entries, arena, state):  # type: ignore[no-untyped-def]
    """Add counts of words, starting with word `i`: ``data[bounds[i]:bounds[i + 1]]``.

    Returns
    -------
    int
        Number of the first word that does not fit in the table, or the number of words.
    """
    while i < len(values):
        start, stop = bounds[i], bounds[i + 1]
        h = _hash(data, start, stop, factor)
        word, at = _find(data, start, stop, h, slots, entries, arena)
        if word >= 0:
            entries[word, 1] += values[i]
        elif not _insert(data, start, stop, h, at, values[i], slots, entries, arena, state):
            break
        i += 1
    return i


@compiled(nogil=True)
def encode_text(text, factor, slots, entries, arena, ids, lengths):  # type: ignore[no-untyped-def]
    """Look up the words of a text.

    Parameters
    ----------
    text : uint8 array
        Whole lines, encoded as UTF-8.
    factor, slots, entries, arena
        The table.
    ids : int32 array, overwritten
        Ids of the words in the table; at least half as many elements as there are bytes.
    lengths : int64 array, overwritten
        Number of ids for each line that has words; as long as `ids`.

    Returns
    -------
    n_ids, n_lines, n_words : int
    """
    n_ids = n_lines = n_words = first = before = p = 0
    starts, stops = np.empty(_BATCH, np.int64), np.empty(_BATCH, np.int64)
    hashes, words = np.empty(_BATCH, np.uint64), np.empty(_BATCH, np.int64)
    while True:
        n, p = _batch(text, p, factor, slots, entries, arena, starts, stops, hashes, words)
        for i in range(n):
            start, stop, word = starts[i], stops[i], words[i]
            if start == stop:
                if n_words > before:
                    lengths[n_lines] = n_ids - first
                    n_lines += 1
                    first, before = n_ids, n_words
                if stop >= len(text):
                    return n_ids, n_lines, n_words
                continue
            n_words += 1
            if word < 0:
                word, _ = _find(text, start, stop, hashes[i], slots, entries, arena)
            if word >= 0:
                ids[n_ids] = entries[word, 1]
                n_ids += 1


@compiled(nogil=True)
def locate_words(  # type: ignore[no-untyped-def]
    text, bounds, factor, slots, entries, arena, n_ids, seen, starts, stops, ids, codes, offsets
):
    """Find the words of documents, and look them up.

    Parameters
    ----------
    text : uint8 array
        Encoded as UTF-8.
    bounds : int64 array of shape (n_documents + 1,)
        Document ``i`` is ``text[bounds[i]:bounds[i + 1]]``.
    factor, slots, entries, arena
        The table.
    n_ids : int
        Larger than all ids of the table.
    seen : int32 array
        Scratch, all zero: a power of two of elements, at least twice the number of words.
    starts, stops : int64 arrays, overwritten
        Word ``j`` is ``text[starts[j]:stops[j]]``.
    ids, codes : int32 arrays, overwritten
        Id of each word, -1 for unknown words; and the same with a number >= `n_ids` for each
        distinct unknown word.
    offsets : int64 array of shape (n_documents + 1,), overwritten
        Words ``offsets[i]:offsets[i + 1]`` are those of document ``i``.

    Returns
    -------
    int
        Number of words.
    """
    n = 0
    offsets[0] = 0
    for i in range(len(bounds) - 1):
        document, first, p = text[bounds[i] : bounds[i + 1]], bounds[i], 0
        while True:
            start, stop, h = _next_word(document, p, factor)
            if start == stop:
                if stop >= len(document):
                    break
                p = stop + 1
                continue
            p = stop
            starts[n], stops[n] = first + start, first + stop
            _look_up(text, n, h, slots, entries, arena, n_ids, seen, starts, stops, ids, codes)
            n += 1
        offsets[i + 1] = n
    return n


@compiled(nogil=True)
def locate_lines(  # type: ignore[no-untyped-def]
    text, factor, slots, entries, arena, n_ids, seen, starts, stops, ids, codes
):
    """Look up words, each of which is a line; empty lines have the id and code -1.

    Parameters are those of `locate_words`.

    Returns
    -------
    int
        Number of lines, each of which ends with a line end.
    """
    n, start, h = 0, 0, _SEED
    for p in range(len(text)):
        byte = text[p]
        if byte != 0x0A:
            h = (h ^ np.uint64(byte)) * factor
            continue
        starts[n], stops[n] = start, p
        if p == start:
            ids[n] = codes[n] = -1
        else:
            h = _mixed(h, factor)
            _look_up(text, n, h, slots, entries, arena, n_ids, seen, starts, stops, ids, codes)
        n, start, h = n + 1, p + 1, _SEED
    return n


@compiled(nogil=True)
def _look_up(  # type: ignore[no-untyped-def]
    text, n, h, slots, entries, arena, n_ids, seen, starts, stops, ids, codes
):
    """Write id and code of word `n`, which has the hash `h`; see `locate_words`."""
    start, stop = starts[n], stops[n]
    word, _ = _find(text, start, stop, h, slots, entries, arena)
    if word >= 0:
        ids[n] = codes[n] = entries[word, 1]
        return
    mask = np.uint64(len(seen) - 1)
    at = h & mask
    while seen[at] != 0:
        earlier = starts[seen[at] - 1]
        length = stops[seen[at] - 1] - earlier
        k = 0
        if length == stop - start:
            while k < length and text[earlier + k] == text[start + k]:
                k += 1
        if k == stop - start:
            break
        at = (at + _U1) & mask
    if seen[at] == 0:
        seen[at] = n + 1
    ids[n], codes[n] = -1, n_ids + seen[at] - 1


@compiled(nogil=True)
def fill_slots(n, factor, slots, entries, arena):  # type: ignore[no-untyped-def]
    """Insert the slots of `n` distinct words into an empty hash table."""
    mask = np.uint64(len(slots) - 1)
    for word in range(n):
        h = _hash(arena, entries[word, 0], entries[word + 1, 0], factor)
        at = h & mask
        while slots[at] != _U0:
            at = (at + _U1) & mask
        slots[at] = (h >> _U32) << _U32 | np.uint64(word + 1)


@compiled(nogil=True)
def gather_words(text, starts, stops):  # type: ignore[no-untyped-def]
    """Copy words from a text, where ``text[starts[j]:stops[j]]`` is word ``j``.

    Returns
    -------
    bounds : int64 array, one longer than `starts`
    data : uint8 array
        Word ``j`` is ``data[bounds[j]:bounds[j + 1]]``.
    """
    bounds = np.zeros(len(starts) + 1, np.int64)
    for j in range(len(starts)):
        bounds[j + 1] = bounds[j] + stops[j] - starts[j]
    data = np.empty(bounds[-1], np.uint8)
    for j in range(len(starts)):
        for k in range(stops[j] - starts[j]):
            data[bounds[j] + k] = text[starts[j] + k]
    return bounds, data


@compiled(nogil=True)
def decode_words(text, bounds, out):  # type: ignore[no-untyped-def]
    """Decode words from UTF-8, which may have halves of surrogate pairs.

    Parameters
    ----------
    text : uint8 array
    bounds : int64 array of shape (n + 1,)
        Word ``j`` is ``text[bounds[j]:bounds[j + 1]]``.
    out : uint32 array of shape (n, at least the length of the longest word), overwritten
        Numbers of the characters, and zeros after them.
    """
    for j in range(len(out)):
        n = 0
        for p in range(bounds[j], bounds[j + 1]):
            byte = np.uint32(text[p])
            if byte < 0x80:
                out[j, n] = byte
            elif byte >= 0xF0:
                out[j, n] = byte & np.uint32(0x07)
            elif byte >= 0xE0:
                out[j, n] = byte & np.uint32(0x0F)
            elif byte >= 0xC0:
                out[j, n] = byte & np.uint32(0x1F)
            else:  # the same character goes on
                n -= 1
                out[j, n] = out[j, n] << np.uint32(6) | byte & np.uint32(0x3F)
            n += 1
        for k in range(n, out.shape[1]):
            out[j, k] = 0


@compiled(nogil=True)
def order_by_part(n, factor, entries, arena, order):  # type: ignore[no-untyped-def]
    """Sort words by the first bits of their hash.

    Parameters
    ----------
    order : uint32 array of shape (n,), overwritten

    Returns
    -------
    n_words, n_bytes : int64 arrays of shape (PARTS + 1,)
        Cumulative numbers of words and bytes: totals of all preceding partitions.
    """
    n_words, n_bytes = np.zeros(PARTS + 1, np.int64), np.zeros(PARTS + 1, np.int64)
    for word in range(n):
        start, stop = entries[word, 0], entries[word + 1, 0]
        part = np.int64(_hash(arena, start, stop, factor) >> _PART_SHIFT)
        n_words[part + 1] += 1
        n_bytes[part + 1] += stop - start
    for i in range(PARTS):
        n_words[i + 1] += n_words[i]
        n_bytes[i + 1] += n_bytes[i]
    at = n_words.copy()
    for word in range(n):
        part = np.int64(_hash(arena, entries[word, 0], entries[word + 1, 0], factor) >> _PART_SHIFT)
        order[at[part]] = word
        at[part] += 1
    return n_words, n_bytes


@compiled(nogil=True)
def gather(order, entries, arena):  # type: ignore[no-untyped-def]
    """Copy words from a table.

    Returns
    -------
    bounds : int64 array, one longer than `order`
    data : uint8 array
        Word ``i`` is ``data[bounds[i]:bounds[i + 1]]``.
    values : int64 array
        Their counts or ids.
    """
    n = len(order)
    bounds, values = np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    for i in range(n):
        word = np.int64(order[i])
        start, stop = entries[word, 0], entries[word + 1, 0]
        bounds[i + 1] = bounds[i] + stop - start
        values[i] = entries[word, 1]
    data = np.empty(bounds[n], np.uint8)
    for i in range(n):
        shift = entries[np.int64(order[i]), 0] - bounds[i]
        for p in range(bounds[i], bounds[i + 1]):
            data[p] = arena[p + shift]
    return bounds, data, values
