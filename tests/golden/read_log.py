#!/usr/bin/env python3
"""A second reader of the log, written from docs/log-format.md alone: Python and its standard library, no creditd.

    python3 tests/golden/read_log.py DATA_DIR

Prints the entries as `creditd export --format jsonl` does, and on standard error what it found. Checks all that the page
says can be checked: checksums, chain, places, lengths, zeros. Exit code 65 at the first thing that is not as the page says.
"""

import datetime
import json
import pathlib
import re
import struct
import sys

PAGE, BLOCK_HEADER, BLOCK_MAX, RECORD_MAX, SLOTS = 4096, 72, 1 << 20, 4096, 16384
DATA, FENCE, CLEAN_STOP = 1, 2, 3
SEAL = 1
GRANT, DEBIT, RESERVE, CAPTURE, RELEASE, EXPIRE, DECLINE, VOID, REFUND, CLAIMED, REFUSED = range(1, 12)
OPEN, CLAIM, CLOSE, LAPSE = range(16, 20)
TYPES = [None, "GRANT", "DEBIT", "RESERVE", "CAPTURE", "RELEASE", "EXPIRE", "DECLINE", "VOID", "REFUND", "CAPTURE", "RELEASE"]
LEAD_TYPES = {OPEN: "LEAD.OPEN", CLAIM: "LEAD.CLAIM", CLOSE: "LEAD.CLOSE", LAPSE: "LEAD.EXPIRE"}
WORDS = {GRANT: 0, DEBIT: 0, RESERVE: 1, CAPTURE: 2, RELEASE: 1, EXPIRE: 1, DECLINE: 1, VOID: 0, REFUND: 3, CLAIMED: 2, REFUSED: 3}
LEAD_WORDS = {OPEN: 1, CLAIM: 2, CLOSE: 0, LAPSE: 0}
CODES = [None, "INSUFFICIENT", "OVERFLOW", "LIMIT"]
REFUSALS = [None, "NOLEAD", "LEADFULL", "LEADCLOSED", "LEADEXPIRED", "ALREADYCLAIMED"]
NEVER = (1 << 64) - 1


class Wrong(Exception):
    """Something is not as the page says."""


def must(holds, what):
    if not holds:
        raise Wrong(what)


# --- checksums ---


def crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC = list(crc_table())


def crc32c(data, seed=0):
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
MIXES = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
MIXES += [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(value, block, counter, flags):
    """One step of BLAKE3: eight words from eight words and up to 64 bytes."""
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    s = value + IV[:4] + [counter & 0xFFFFFFFF, counter >> 32, len(block), flags]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(MIXES):
            for word, first, second in ((words[2 * i], 16, 12), (words[2 * i + 1], 8, 7)):
                s[a] = s[a] + s[b] + word & 0xFFFFFFFF
                s[d] = turned(s[d] ^ s[a], first)
                s[c] = s[c] + s[d] & 0xFFFFFFFF
                s[b] = turned(s[b] ^ s[c], second)
        words = [words[i] for i in ORDER]
    return [s[i] ^ s[i + 8] for i in range(8)]


def turned(word, by):
    return (word >> by | word << 32 - by) & 0xFFFFFFFF


def blake3(data, chunk=0, root=ROOT):
    """The eight words of a subtree that starts with chunk number `chunk`."""
    if len(data) > 1024:
        left = 1024 << (((len(data) - 1) // 1024).bit_length() - 1)
        halves = blake3(data[:left], chunk, 0) + blake3(data[left:], chunk + left // 1024, 0)
        return compress(IV, struct.pack("<16I", *halves), 0, PARENT | root)
    value, last = IV, max(0, (len(data) - 1) // 64)
    for i in range(last + 1):
        flags = (CHUNK_START if i == 0 else 0) | (CHUNK_END | root if i == last else 0)
        value = compress(value, data[64 * i : 64 * i + 64], chunk, flags)
    return value


def chain_of(block):
    return struct.pack("<8I", *blake3(block))[:16]


# --- the directory ---


def struct_of(page, magic):
    """The struct of a MANIFEST or super page; None if it is damaged."""
    found, crc, form, zero, size = struct.unpack_from("<4sIHHI", page) if len(page) == PAGE else (b"", 0, 0, 0, 0)
    if found != magic or 16 + size > PAGE or crc32c(page[8 : 16 + size]) != crc:
        return None
    must(form == 1, f"written by a newer version: {magic} of format {form}")
    must(zero == 0 and not any(page[16 + size :]), f"{magic}: not zero")
    return page[16 : 16 + size]


def read_manifest(path):
    data = path.read_bytes()
    copies = [struct_of(data[at : at + PAGE], b"crMF") for at in (0, PAGE)]
    body = copies[0] or copies[1]
    must(body, "MANIFEST: both copies are bad")
    instance, shards, _, _, count = struct.unpack_from("<16sHQQQ", body)
    ranges = list(struct.iter_unpack("<HHH", body[42:]))
    must(len(ranges) == count, "MANIFEST: ranges")
    shard_of = [shard for first, last, shard in ranges for _ in range(first, last + 1)]
    must(len(shard_of) == SLOTS and set(shard_of) == set(range(shards)), "MANIFEST: slots")
    return instance, shards, shard_of


def read_super(dir):
    """durable_lsn, chain, oldest_lsn, epoch of the newest super."""
    found = []
    for which in (0, 1):
        body = struct_of((dir / f"super.{which}").read_bytes(), b"crSP")
        if body:
            found.append(struct.unpack("<Q16sHQQQ16s", body))
            must(found[-1][0] % 2 == which, "super: number")
    must(found, "both supers are bad")
    return max(found)


def slot_of(account):
    tag = re.search(rb"\{(.*?)\}", account, re.DOTALL)
    crc = 0
    for byte in tag.group(1) if tag and tag.group(1) else account:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc % SLOTS


# --- the log ---


class Segment:
    def __init__(self, path, instance, shard):
        base, epoch = re.fullmatch(r"([0-9a-f]{16})-([0-9a-f]{8,})\.wal", path.name).groups()
        self.name, self.base, self.epoch, self.bytes = path.name, int(base, 16), int(epoch, 16), path.read_bytes()
        head = struct.unpack_from("<4sIHHI16sQQQ16sQQ24x", self.bytes)
        magic, crc, form, of_shard, self.salt, of, epoch, base, self.prev_end, self.prev_chain, _, self.len = head
        must(magic == b"crSG" and crc32c(self.bytes[8:112]) == crc, f"{path.name}: header is damaged")
        must(form == 1, f"{path.name}: written by a newer version: format {form}")
        must((of, of_shard, base, epoch) == (instance, shard, self.base, self.epoch), f"{path.name}: of another log")
        must(not any(self.bytes[88:PAGE]), f"{path.name}: header is not zero")

    def block(self, at):
        """The header's fields and the bytes of a valid block; None if there is none."""
        header = self.bytes[at : at + BLOCK_HEADER]
        if len(header) < BLOCK_HEADER or header[:4] != b"crBK":
            return None
        size = BLOCK_HEADER + struct.unpack_from("<I", header, 16)[0]
        block = self.bytes[at : at + size]
        if size > BLOCK_MAX or len(block) < size or crc32c(block[8:], self.salt) != struct.unpack_from("<I", block, 4)[0]:
            return None
        fields = struct.unpack_from("<HBBHHIIQQQ16sQ", block, 8)
        must(fields[0] in (1, 2), f"{self.name}: written by a newer version: block of format {fields[0]}")
        return fields, block

    def proves(self, at):
        """The highest durable_lsn that a block at or behind `at` claims."""
        proven = 0
        for at in range(at, len(self.bytes), PAGE):
            block = self.block(at)
            if block and block[0][8] == self.base + at - PAGE:
                proven = max(proven, block[0][9])
        return proven


def pages(size):
    return -(-size // PAGE) * PAGE


def read_shard(dir, instance, shard, told):
    """Yields position and bytes of every record; says what it found on the way."""
    no, of, of_shard, super_epoch, oldest, durable, chain_there = read_super(dir)
    must((of, of_shard) == (instance, shard), f"super.{no % 2}: of another log")
    segments = [Segment(path, instance, shard) for path in dir.glob("*.wal")]
    segments.sort(key=lambda segment: (segment.base, segment.epoch))
    position, chain, epoch, block_no, kind, now = oldest, b"\0" * 16, 0, 0, 0, 0
    ends = {oldest: segments[0].prev_chain}
    for i, segment in enumerate(segments):
        if i == 0:
            chain = segment.prev_chain
            must(segment.base > 0 or not any(chain), "a log begins with a chain of zeros")
        next = segments[i + 1] if i + 1 < len(segments) else None
        must(segment.base == segment.prev_end == position, f"{segment.name}: hole before it")
        must(segment.prev_chain == chain, f"{segment.name}: does not name the block before it")
        must(next or len(segment.bytes) == segment.len, f"{segment.name}: shorter than it was made")
        if segment.epoch != epoch:
            must(segment.epoch > epoch, f"{segment.name}: epoch goes back")
            epoch, block_no = segment.epoch, 0
        sealed = False
        while not sealed and not (next and position == next.base):
            at = PAGE + position - segment.base
            found = segment.block(at)
            if not found:
                break
            fields, block = found
            _, kind, flags, of_shard, count, size, number, of_epoch, first, claim, prev, block_now = fields
            here = f"{segment.name} byte {at}"
            must((of_epoch, first, prev) == (epoch, position, chain), f"{here}: block of another place")
            must((of_shard, number) == (shard, block_no), f"{here}: block of another place")
            must(kind in (DATA, FENCE, CLEAN_STOP) and flags in (0, SEAL) and claim <= first, f"{here}: block header")
            must((number == 0) == (kind == FENCE) and (kind == DATA or size == 0), f"{here}: block kind")
            must(block_now >= now, f"{here}: time goes back")
            must(not any(segment.bytes[at + BLOCK_HEADER + size : at + pages(BLOCK_HEADER + size)]), f"{here}: padding")
            records = list(split(block[BLOCK_HEADER:], first + BLOCK_HEADER))
            must(len(records) == count, f"{here}: {len(records)} records, not {count}")
            needs = max([1, *(2 for _, record in records if is_of_format_2(record))])
            must(fields[0] == needs, f"{here}: of format {fields[0]}, its records need {needs}")
            yield from records
            position, chain, sealed, now = position + pages(len(block)), chain_of(block), flags == SEAL, block_now
            block_no = (block_no + 1) % (1 << 32)
            ends[position] = chain
        if next:
            must(position == next.base and (sealed or next.epoch > epoch), f"{segment.name}: not closed")
    must(ends.get(durable, None) == chain_there or not super_epoch, "the log is not what the super knows")
    must(epoch >= super_epoch, "the newest segments are missing")
    rest = segments[-1].bytes[PAGE + position - segments[-1].base :]
    must(max(durable, segments[-1].proves(PAGE + position - segments[-1].base)) <= position, "acknowledged data is damaged")
    tail = "a clean stop" if kind == CLEAN_STOP else f"a torn tail of {len(rest.rstrip(b'%c' % 0))} bytes" if any(rest) else "no clean stop"
    told(f"shard {shard}: {len(segments)} segments, {len(ends) - 1} blocks, epoch {epoch}, ends at {position} with {tail}")


def split(body, lsn):
    while body:
        size = struct.unpack_from("<H", body)[0]
        must(48 <= size <= min(RECORD_MAX, len(body)) and size % 8 == 0, f"record at {lsn}: length")
        yield lsn, body[:size]
        lsn, body = lsn + size, body[size:]


# --- the record ---


def is_of_format_2(record):
    """A record of a lead or of a claim: the block of it is of format 2."""
    kind = record[2]
    return kind > REFUND or (kind == RESERVE and record[6] > 0) or (kind == DECLINE and record[56] == CLAIM)


def decode(record):
    """The fields of a record by name."""
    return decode_lead(record) if record[2] in LEAD_TYPES else decode_entry(record)


def decode_lead(record):
    size, kind, flags, *lens = struct.unpack_from("<HBBBBBB", record)
    must(flags & ~2 == 0, f"flags {flags}")
    names = ("prev_lsn", "time", "seq", "max", "claims")
    entry = {"kind": kind, "type": LEAD_TYPES[kind], **dict(zip(names, struct.unpack_from("<QQQII", record, 8)))}
    own, at = struct.unpack_from(f"<{LEAD_WORDS[kind]}Q", record, 40), 40 + 8 * LEAD_WORDS[kind]
    texts(entry, record, at, flags, zip(("lead", "tx", "account", "reason"), lens))
    must(1 <= lens[0] <= 128 and lens[3] <= 64 and 1 <= entry["max"] <= 10000, "lead")
    if kind == OPEN and own[0] != NEVER:
        entry["expires"] = own[0]
    if kind == CLAIM:
        (entry["amount"], entry["account_seq"]), entry["claim"] = own, entry["claims"]
        must(1 <= lens[1] <= 64 and 1 <= lens[2] <= 128, "claim")
    else:
        must(lens[1] == lens[2] == 0, "ids of a claim")
    return entry


def texts(entry, record, at, flags, lens):
    """Puts the bytes behind the words into the entry."""
    for name, length in lens:
        entry[name], at = record[at : at + length], at + length
    entry["meta"] = b""
    if flags & 2:
        length = struct.unpack_from("<H", record, at)[0]
        entry["meta"], at = record[at + 2 : at + 2 + length], at + 2 + length
        must(1 <= length <= 1024, "meta length")
    must(0 <= len(record) - at < 8 and not any(record[at:]), "padding")


def decode_entry(record):
    size, kind, flags, *lens = struct.unpack_from("<HBBBBBB", record)
    must(kind in WORDS, f"type {kind}")
    must(flags & ~3 == 0, f"flags {flags}")
    names = ("prev_lsn", "time", "seq", "amount", "balance", "reserved")
    entry = {"kind": kind, "type": TYPES[kind], **dict(zip(names, struct.unpack_from("<6Q", record, 8)))}
    at = 56 + 8 * WORDS[kind]
    own = struct.unpack_from(f"<{WORDS[kind]}Q", record, 56)
    entry["skip_lsn"] = 0
    if flags & 1:
        entry["skip_lsn"] = struct.unpack_from("<Q", record, at)[0]
        must(entry["skip_lsn"], "skip_lsn of 0")
        at += 8
    texts(entry, record, at, flags, zip(("account", "tx", "other", "reason"), lens))
    must(1 <= lens[0] <= 128 and 1 <= lens[1] <= 64 and lens[3] <= 64, "id lengths")
    must(entry["reserved"] <= entry["balance"] < 1 << 53, "figures")
    other, refund, claim = entry["other"], kind == REFUND, kind in (CLAIMED, REFUSED)
    if kind == RESERVE:
        must(not other or own[0] == NEVER, "a claim has no deadline")
        entry["expires"] = None if other else own[0]
    elif kind == CAPTURE:
        entry["captured"], entry["opened_lsn"] = own
        entry["returned"] = entry["amount"] - entry["captured"]
    elif kind in (RELEASE, EXPIRE):
        entry["opened_lsn"] = own[0]
    elif kind == REFUND:
        entry["opened_lsn"], entry["refunded_total"], entry["refundable"] = own
    elif kind == DECLINE:
        op, code, zero, holds = struct.unpack_from("<BBHI", record, 56)
        must(op in (GRANT, DEBIT, RESERVE, REFUND, CLAIM) and code in (1, 2, 3) and zero == 0, "decline")
        must(code == 3 or holds == 0, "decline: holds")
        entry["code"], refund, claim = CODES[code], op == REFUND, op == CLAIM
    elif kind == CLAIMED:
        entry["opened_lsn"], entry["claim"] = own[0], own[1] & 0xFFFFFFFF
        entry["captured"], entry["returned"] = entry["amount"], 0
    elif kind == REFUSED:
        entry["opened_lsn"], (code, length) = own[0], record[64:66]
        must(not any(record[66:72]) and 1 <= code <= 5 and length <= len(other), "refusal")
        must(own[2] == 0 or code in (2, 4, 5), "fact of a refusal")
        must(1 <= len(other) - length <= 64 if code == 5 else length == len(other), "tx of a refusal")
        entry["code"], other = REFUSALS[code], other[:length]
    if refund:
        must(1 <= len(other) <= 64, "of")
    elif claim:
        must(1 <= len(other) <= 128, "lead")
    else:
        must(not other or kind in (RESERVE, CAPTURE, RELEASE) and len(other) <= 128, "other id")
    entry["of" if refund else "lead"] = other
    entry["cause"] = {RELEASE: "client", VOID: "client", EXPIRE: "expired", REFUSED: "lead"}.get(kind)
    return entry


# --- as creditd export shows it (docs/operate/export.md) ---


def text(data):
    shown = ""
    for char in data.decode("utf-8", "surrogateescape"):
        if char == "\\":
            shown += "\\\\"
        elif "\udc80" <= char <= "\udcff" or char < " " or "\x7f" <= char <= "\x9f":
            shown += "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
        else:
            shown += char
    return shown


def row(shard, lsn, entry):
    kind, amount = entry["kind"], entry.get("amount")
    taken = entry.get("captured", amount)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=entry["time"])
    delta = rdelta = None
    if "balance" in entry:
        delta = {GRANT: amount, REFUND: amount, DEBIT: -amount, CAPTURE: -taken, CLAIMED: -taken}.get(kind, 0)
        ends = (CAPTURE, RELEASE, EXPIRE, CLAIMED, REFUSED)
        rdelta = amount if kind == RESERVE else -amount if kind in ends else 0
    shown = dict(shard=shard, lsn=lsn, account=entry["account"], seq=entry["seq"], time=entry["time"])
    shown |= dict(utc=moment.isoformat(timespec="milliseconds") + "Z", type=entry["type"], tx=entry["tx"])
    shown |= dict(amount=taken, delta=delta, rdelta=rdelta, balance=entry.get("balance"), reserved=entry.get("reserved"))
    for name in ("expires", "captured", "returned", "lead", "of", "cause", "code", "reason", "meta", "claim", "max"):
        shown[name] = entry.get(name)
    shown = {name: text(value) if isinstance(value, bytes) else value for name, value in shown.items()}
    return {name: value for name, value in shown.items() if value not in (None, "")}


def follow(trails, entry, lsn):
    """What a record says of others: the entry before it, the one 256 before, the one that it ends or gives back."""
    trail = trails.setdefault(entry["account"], [])
    must(entry["seq"] == len(trail) + 1, f"record at {lsn}: seq {entry['seq']}")
    must(entry["prev_lsn"] == (trail[-1][0] if trail else 0), f"record at {lsn}: prev_lsn")
    skips = entry["seq"] % 256 == 0 and entry["seq"] > 256
    must(entry["skip_lsn"] == (trail[-256][0] if skips else 0), f"record at {lsn}: skip_lsn")
    if "opened_lsn" in entry:
        opened = dict(trail).get(entry["opened_lsn"])
        wanted = (DEBIT, CAPTURE, CLAIMED) if entry["kind"] == REFUND else (RESERVE,)
        named = entry["of"] if entry["kind"] == REFUND else entry["tx"]
        must(opened and opened["kind"] in wanted and opened["tx"] == named, f"record at {lsn}: opened_lsn")
    trail.append((lsn, entry))


def follow_lead(trails, entry, lsn):
    """The same of a lead's record: slots are taken one by one, and an end is the end."""
    trail = trails.setdefault(entry["lead"], [])
    must(entry["seq"] == len(trail) + 1, f"record at {lsn}: seq {entry['seq']}")
    must((entry["kind"] == OPEN) == (not trail), f"record at {lsn}: a lead begins with its opening")
    last_lsn, last = trail[-1] if trail else (0, {"claims": 0, "max": entry["max"], "kind": None})
    must(entry["prev_lsn"] == last_lsn and entry["max"] == last["max"], f"record at {lsn}: prev_lsn, max")
    must(last["kind"] not in (CLOSE, LAPSE) and last["claims"] < last["max"], f"record at {lsn}: the lead has ended")
    must(entry["claims"] == last["claims"] + (entry["kind"] == CLAIM), f"record at {lsn}: claims")
    claimants = [claim["account"] for _, claim in trail if claim["kind"] == CLAIM]
    must(entry["kind"] != CLAIM or entry["account"] not in claimants, f"record at {lsn}: a second claim")
    trail.append((lsn, entry))


def match(trails, leads):
    """Each claim of a lead is one that its account has paid for, and the reverse."""
    made = [(claim["account"], claim["tx"], lead, claim["amount"], claim["claim"])
            for lead, trail in leads.items() for _, claim in trail if claim["kind"] == CLAIM]
    paid = [(account, entry["tx"], entry["lead"], entry["amount"], entry["claim"])
            for account, trail in trails.items() for _, entry in trail if entry["kind"] == CLAIMED]
    must(sorted(made) == sorted(paid), "claims are not what was paid for")


def main():
    assert crc32c(b"123456789") == 0xE3069283 == crc32c(b"56789", crc32c(b"1234"))
    assert chain_of(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc949"
    data, told = pathlib.Path(sys.argv[1]), lambda line: print(line, file=sys.stderr)
    try:
        instance, shards, shard_of = read_manifest(data / "MANIFEST")
        trails, leads = {}, {}
        for shard in range(shards):
            for lsn, record in read_shard(data / f"shard-{shard:03}", instance, shard, told):
                entry = decode(record)
                is_of_lead = entry["kind"] in LEAD_TYPES
                owner = entry["lead" if is_of_lead else "account"]
                must(shard_of[slot_of(owner)] == shard, f"record at {lsn}: of another shard")
                follow_lead(leads, entry, lsn) if is_of_lead else follow(trails, entry, lsn)
                print(json.dumps(row(shard, lsn, entry), ensure_ascii=False, separators=(",", ":")))
        match(trails, leads)
    except Wrong as what:
        told(f"wrong: {what}")
        sys.exit(65)


if __name__ == "__main__":
    main()
