"""What orders two accesses and what does not: faults, and the same programs without them."""

from __future__ import annotations

import pytest
from sketches import verdicts

EVENTS = {
    "no wait": ("A writes x; O reads x", "RAW never"),
    "one stream": ("A writes x; A reads x; A writes x", ""),
    "record and wait": ("A writes x; A records e; O waits e; O reads x", "RAW strict"),
    "recorded before the write": ("A records e; A writes x; O waits e; O reads x", "RAW never"),
    "recorded again behind the write": ("A records e; A writes x; A records e; O waits e; O reads x", "RAW strict"),
    "recorded again elsewhere": ("A writes x; A records e; C records e; O waits e; O reads x", "RAW never"),
    "recorded again after the wait": (
        "A writes x; A records e; O waits e; A works; A records e; O reads x",
        "RAW strict",
    ),
    "write after the record that is waited for": (
        "A writes x; A records e; A writes x; O waits e; O reads x",
        "RAW never",
    ),
    "waited for before it is recorded": ("A writes x; O waits e; A records e; O reads x", "RAW never"),
    "waited for before and after it is recorded": (
        "A writes x; O waits e; A records e; O waits e; O reads x",
        "RAW strict",
    ),
    "never recorded": ("A writes x; O waits e; O reads x", "RAW never"),
    "another event": ("A writes x; A records e; O waits f; O reads x", "RAW never"),
    "wait of the wrong stream": ("A writes x; A records e; C waits e; O reads x", "RAW never"),
    "wait of the right stream": ("A writes x; A records e; C works; O waits e; O reads x", "RAW strict"),
    "record on the wrong stream": ("A writes x; C records e; O waits e; O reads x", "RAW never"),
    "wait behind the read": ("A writes x; A records e; O reads x; O waits e", "RAW never"),
    "second read behind the wait": (
        "A writes x; A records e; O reads x; O waits e; O reads x",
        "RAW never, RAW strict",
    ),
    "through an idle stream": ("A writes x; A records e; C waits e; C records f; O waits f; O reads x", "RAW strict"),
    "through an idle stream, recorded too early": (
        "A writes x; A records e; C records f; C waits e; O waits f; O reads x",
        "RAW never",
    ),
    "through two streams": (
        "A writes x; A records e; C waits e; C records f; D waits f; D records g; O waits g; O reads x",
        "RAW strict",
    ),
    "through two streams, one wait missing": (
        "A writes x; A records e; C waits e; C records f; D records g; O waits g; O reads x",
        "RAW never",
    ),
    "two readers, of which one waits": (
        "A writes x; A records e; O waits e; O reads x; P reads x",
        "RAW strict, RAW never",
    ),
    "two readers that wait": ("A writes x; A records e; O waits e; O reads x; P waits e; P reads x", "RAW strict"),
    "to another device": ("A writes x; A records e; O@1 waits e; O@1 reads x", "RAW strict"),
}

HAZARDS = {
    "refill while a run reads": ("O reads x; A writes x", "WAR never"),
    "refill behind a run": ("O reads x; O records e; A waits e; A writes x", "WAR strict"),
    "refill when the run has synchronised": (
        "A writes x; sync stream A; O reads x writes y; sync stream O; A writes x",
        "RAW strict, WAR strict",
    ),
    "refill when the run has not": (
        "A writes x; sync stream A; O reads x writes y; A writes x",
        "RAW strict, WAR never",
    ),
    "two writers": ("A writes x; O writes x", "WAW never"),
    "two writers with a wait": ("A writes x; A records e; O waits e; O writes x", "WAW strict"),
    "two readers": ("A reads x; O reads x", ""),
    "readers of two streams before a write, one waited for": (
        "A reads x; C reads x; A records e; O waits e; O writes x",
        "WAR strict, WAR never",
    ),
    "readers of two streams before a write, both waited for": (
        "A reads x; C reads x; A records e; C records f; O waits e; O waits f; O writes x",
        "WAR strict",
    ),
    "a later read of the same stream counts": ("A reads x; A records e; A reads x; O waits e; O writes x", "WAR never"),
    "in place": ("A writes x; O reads x writes x", "RAW never, WAW never"),
    "output read without a wait": ("O reads x writes y; L reads y", "RAW never"),
    "output read behind a wait": ("O reads x writes y; sync stream O; L reads y", "RAW strict"),
}

RANGES = {
    "overlap": ("A writes p-s; O reads s-v", "RAW never"),
    "inside": ("A writes p-z; O reads s", "RAW never"),
    "side by side": ("A writes p-r; O writes s-v", ""),
    "two parts of two streams, one waited for": (
        "A writes p-r; C writes s-u; A records e; O waits e; O reads r-s",
        "RAW strict, RAW never",
    ),
    "two parts of two streams, both waited for": (
        "A writes p-r; C writes s-u; A records e; C records f; O waits e; O waits f; O reads r-s",
        "RAW strict",
    ),
    "half of it written again in time": ("A writes p-s; A records e; A writes q; O waits e; O reads r-s", "RAW strict"),
    "half of it written again too late": (
        "A writes p-s; A records e; A writes q; O waits e; O reads p-q",
        "RAW strict, RAW never",
    ),
}

LEGACY = {
    "legacy to non-blocking": ("L writes x; O reads x", "RAW never"),
    "non-blocking to legacy": ("O writes x; L reads x", "RAW never"),
    "legacy to blocking": ("B works; L writes x; B reads x", "RAW strict"),
    "blocking to legacy": ("B writes x; L reads x", "RAW strict"),
    "legacy to unknown flags": ("L writes x; U reads x", "RAW optimistic"),
    "unknown flags to legacy": ("U writes x; L reads x", "RAW optimistic"),
    "blocking first used after the legacy one": ("L writes x; B reads x", "RAW strict"),
    "blocking to blocking": ("B1 writes x; B2 reads x", "RAW never"),
    "blocking to blocking with legacy work between": ("B1 writes x; L works; B2 reads x", "RAW strict"),
    "blocking to blocking with legacy work too early": ("L works; B1 writes x; B2 reads x", "RAW never"),
    "blocking to blocking with non-blocking work between": ("B1 writes x; A works; B2 reads x", "RAW never"),
    "unknown to blocking with legacy work between": ("U writes x; L works; B reads x", "RAW optimistic"),
    "record on the legacy stream holds blocking ones": ("B writes x; L records e; O waits e; O reads x", "RAW strict"),
    "record on the legacy stream holds no non-blocking one": (
        "A writes x; L records e; O waits e; O reads x",
        "RAW never",
    ),
    "record on the legacy stream and unknown flags": (
        "U writes x; L records e; O waits e; O reads x",
        "RAW optimistic",
    ),
    "record on the legacy stream between two blocking ones": ("B1 writes x; L records e; B2 reads x", "RAW strict"),
    "record on a blocking stream holds legacy work": ("L writes x; B records e; O waits e; O reads x", "RAW strict"),
    "wait on the legacy stream holds blocking ones": ("A writes x; A records e; L waits e; B reads x", "RAW strict"),
    "wait on the legacy stream holds no non-blocking one": (
        "A writes x; A records e; L waits e; O reads x",
        "RAW never",
    ),
    "wait on a blocking stream holds legacy work": ("A writes x; A records e; B waits e; L reads x", "RAW strict"),
    "legacy of another device": ("L@1 writes x; B reads x", "RAW never"),
    "blocking of the legacy stream's device, not the first": ("L works; L@1 writes x; B@1 reads x", "RAW strict"),
    "wait for the legacy stream waits for blocking ones": (
        "B writes x; L works; sync stream L; O reads x",
        "RAW strict",
    ),
    "wait for an idle legacy stream waits for blocking ones": ("B writes x; sync stream L; O reads x", "RAW strict"),
    "wait for an idle blocking stream waits for legacy work": ("L writes x; sync stream B; O reads x", "RAW strict"),
    "wait for the legacy stream waits for no non-blocking one": (
        "A writes x; L works; sync stream L; O reads x",
        "RAW never",
    ),
}

SYNCS = {
    "legacy stream that may be done holds no blocking one": (
        "B1 writes x; perhaps sync stream L; B2 reads x",
        "RAW optimistic",
    ),
    "legacy stream that is done": ("B1 writes x; sync stream L; B2 reads x", "RAW strict"),
    "stream": ("A writes x; sync stream A; O reads x", "RAW strict"),
    "stream before the write": ("sync stream A; A writes x; O reads x", "RAW never"),
    "stream behind the read": ("A writes x; O reads x; sync stream A", "RAW never"),
    "another stream": ("A writes x; sync stream C; O reads x", "RAW never"),
    "another stream that waits for the write's": (
        "A writes x; A records e; C waits e; sync stream C; O reads x",
        "RAW strict",
    ),
    "event": ("A writes x; A records e; sync event e; O reads x", "RAW strict"),
    "event recorded before the write": ("A records e; A writes x; sync event e; O reads x", "RAW never"),
    "event that was never recorded": ("A writes x; sync event e; O reads x", "RAW never"),
    "device": ("A writes x; sync device 0; O reads x", "RAW strict"),
    "device before the write": ("sync device 0; A writes x; O reads x", "RAW never"),
    "another device": ("A writes x; O@1 works; sync device 1; O@1 reads x", "RAW never"),
    "device of the write, of two": ("A writes x; sync device 0; O@1 reads x", "RAW strict"),
    "device without streams": ("A writes x; sync device 7; O reads x", "RAW never"),
    "soft device": ("A writes x; soft sync device 0; O reads x", "RAW soft"),
    "soft stream": ("A writes x; soft sync stream A; O reads x", "RAW soft"),
    "soft event": ("A writes x; A records e; soft sync event e; O reads x", "RAW soft"),
    "soft device, of another": ("A writes x; soft sync device 1; O reads x", "RAW never"),
    "event that may be done": ("A writes x; A records e; perhaps sync event e; O reads x", "RAW optimistic"),
    "event that may be done, recorded too early": (
        "A records e; A writes x; perhaps sync event e; O reads x",
        "RAW never",
    ),
    "stream that may be done": ("A writes x; perhaps sync stream A; O reads x", "RAW optimistic"),
    "soft and then sure": ("A writes x; soft sync stream A; sync stream A; O reads x", "RAW strict"),
    "soft behind an unsure one": ("A writes x; perhaps sync stream A; soft sync device 0; O reads x", "RAW soft"),
}

UNKNOWN = {
    "stream waited for": ("A writes x; sync stream ?; O reads x", "RAW optimistic"),
    "stream waited for, too early": ("sync stream ?; A writes x; O reads x", "RAW never"),
    "event waited for": ("A writes x; O waits ?; O reads x", "RAW optimistic"),
    "event waited for by another stream": ("A writes x; C waits ?; O reads x", "RAW never"),
    "event waited for by the host": ("A writes x; sync event ?; O reads x", "RAW optimistic"),
    "device waited for": ("A writes x; sync device ?; O reads x", "RAW optimistic"),
    "stream that waits": ("A writes x; A records e; ? waits e; O reads x", "RAW optimistic"),
    "stream that waits, which may be the legacy one": (
        "A records e; L works; B1 writes x; ? waits e; B2 reads x",
        "RAW optimistic",
    ),
    "stream that waits, which may be the legacy one, too early": (
        "A records e; L works; ? waits e; B1 writes x; B2 reads x",
        "RAW never",
    ),
    "stream that waits for too early a record": ("A records e; A writes x; ? waits e; O reads x", "RAW never"),
    "stream that waits and event": ("A writes x; ? waits ?; O reads x", "RAW optimistic"),
    "stream and event, too early": ("? waits ?; A writes x; O reads x", "RAW never"),
    "thread that waits": ("A writes x; ?: sync stream A; O reads x", "RAW optimistic"),
    "thread that waits for the wrong stream": ("A writes x; ?: sync stream C; O reads x", "RAW never"),
    "thread that waits for an event": ("A writes x; A records e; ?: sync event e; O reads x", "RAW optimistic"),
    "thread that waits for a device": ("A writes x; ?: sync device 0; O reads x", "RAW optimistic"),
    "thread that has a stream wait": ("A writes x; ?: A records e; ?: O waits e; O reads x", "RAW strict"),
    "thread that records what another waited for": (
        "A writes x; sync stream A; ?: C records e; O waits e; T2: O reads x",
        "RAW strict",
    ),
    "thread that records after what another saw": (
        "A writes x; sync stream A; ?: C records e; T2: O waits e; T2: O reads x",
        "RAW optimistic",
    ),
}

THREADS = {
    "no hand-over": ("A writes x; sync stream A; T2: O reads x", "RAW optimistic"),
    "no hand-over and no wait": ("A writes x; T2: O reads x", "RAW never"),
    "hand-over": ("A writes x; sync stream A; give q; T2: take q; T2: O reads x", "RAW strict"),
    "hand-over without a wait": ("A writes x; give q; T2: take q; T2: O reads x", "RAW never"),
    "hand-over before the wait": ("A writes x; give q; sync stream A; T2: take q; T2: O reads x", "RAW optimistic"),
    "taken before it was given": ("A writes x; sync stream A; T2: take q; give q; T2: O reads x", "RAW optimistic"),
    "taken before and after it was given": (
        "A writes x; sync stream A; T2: take q; give q; T2: take q; T2: O reads x",
        "RAW strict",
    ),
    "taken after the read": ("A writes x; sync stream A; give q; T2: O reads x; T2: take q", "RAW optimistic"),
    "taken and never given": ("A writes x; sync stream A; T2: take q; T2: O reads x", "RAW optimistic"),
    "another token": ("A writes x; sync stream A; give r; T2: take q; T2: O reads x", "RAW optimistic"),
    "several takes": (
        "A writes x; sync stream A; give q; T2: take q; T2: O reads x; T3: take q; T3: P reads x",
        "RAW strict",
    ),
    "several gives": ("A writes x; sync stream A; give q; T2: give q; T3: take q; T3: O reads x", "RAW strict"),
    "several gives, of which the last has seen it": (
        "A writes x; sync stream A; T2: give q; give q; T3: take q; T3: O reads x",
        "RAW strict",
    ),
    "several takes, one missing": (
        "A writes x; sync stream A; give q; T2: take q; T2: O reads x; T3: P reads x",
        "RAW strict, RAW optimistic",
    ),
    "passed on": ("A writes x; sync stream A; give q; T2: take q; T2: give r; T3: take r; T3: O reads x", "RAW strict"),
    "soft wait, handed over": ("A writes x; soft sync device 0; give q; T2: take q; T2: O reads x", "RAW soft"),
    "event of one thread waited for by another's stream": (
        "A writes x; A records e; T2: O waits e; T2: O reads x",
        "RAW strict",
    ),
    "event of one thread waited for by another": (
        "A writes x; A records e; T2: sync event e; T2: O reads x",
        "RAW strict",
    ),
    "wait for a stream that another uses later": (
        "A writes x; sync stream A; sync stream O; T2: O reads x",
        "RAW optimistic",
    ),
    "a stream that both use": ("A writes x; sync stream A; O works; T2: O reads x", "RAW strict"),
    "wait of one thread, then work of another on the stream": (
        "A writes x; A records e; O waits e; T2: O reads x",
        "RAW strict",
    ),
    "refill by another thread": ("O reads x; sync stream O; T2: A writes x", "WAR optimistic"),
    "refill by another thread, handed over": (
        "O reads x; sync stream O; give q; T2: take q; T2: A writes x",
        "WAR strict",
    ),
}

HOST = {
    "refill while a copy reads": ("A reads p; host writes p", "WAR never"),
    "refill behind the copy": ("A reads p; sync stream A; host writes p", "WAR strict"),
    "refill behind the copy's event": ("A reads p; A records e; sync event e; host writes p", "WAR strict"),
    "refill behind a wait that came too early": ("sync stream A; A reads p; host writes p", "WAR never"),
    "refill when the copy may be done": (
        "A reads p; A records e; perhaps sync event e; host writes p",
        "WAR optimistic",
    ),
    "result read at once": ("A writes p; host reads p", "RAW never"),
    "result read behind a soft wait": ("A writes p; soft sync stream A; host reads p", "RAW soft"),
    "result read behind a wait of the stream only": ("A writes p; A records e; O waits e; host reads p", "RAW never"),
    "result read behind a wait": ("A writes p; sync device 0; host reads p", "RAW strict"),
    "written before it is copied": ("host writes p; A reads p", "RAW strict"),
    "read before it is overwritten": ("host reads p; A writes p", "WAR strict"),
    "written by another thread before it is copied": ("host writes p; T2: A reads p", "RAW optimistic"),
    "written by another thread that hands over": ("host writes p; give q; T2: take q; T2: A reads p", "RAW strict"),
    "two threads": ("host writes p; T2: host reads p", "RAW optimistic"),
    "two threads with a hand-over": ("host writes p; give q; T2: take q; T2: host reads p", "RAW strict"),
    "one thread": ("host writes p; host reads p; host writes p", ""),
}

LONG_ACCESSES = {
    "refill while a run goes on": ("O reads x; O records e; O goes on reading x; A waits e; A writes x", "WAR never"),
    "refill behind the run's last operation": (
        "O reads x; O goes on reading x; O records e; A waits e; A writes x",
        "WAR strict",
    ),
    "output read while a run goes on": (
        "O writes y; O records e; O goes on writing y; A waits e; A reads y",
        "RAW never",
    ),
    "output read behind its last operation": (
        "O writes y; O goes on writing y; O records e; A waits e; A reads y",
        "RAW strict",
    ),
    "goes on elsewhere, behind what was not waited for": (
        "A writes x; A records e; O waits e; O reads x; P goes on reading x",
        "RAW strict",
    ),
    "refill while it goes on elsewhere": (
        "O reads x; P goes on reading x; O records e; A waits e; A writes x",
        "WAR strict, WAR never",
    ),
    "refill behind both ends": (
        "O reads x; P goes on reading x; O records e; P records f; A waits e; A waits f; A writes x",
        "WAR strict",
    ),
}

SCENARIOS = {
    f"{kind}: {name}": scenario
    for kind, scenarios in {
        "events": EVENTS,
        "hazards": HAZARDS,
        "ranges": RANGES,
        "legacy": LEGACY,
        "syncs": SYNCS,
        "unknown": UNKNOWN,
        "threads": THREADS,
        "host": HOST,
        "long accesses": LONG_ACCESSES,
    }.items()
    for name, scenario in scenarios.items()
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_order(name):
    text, expected = SCENARIOS[name]
    assert verdicts(text) == set(expected.split(", ") if expected else ())
