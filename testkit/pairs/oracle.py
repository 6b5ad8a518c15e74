"""Judges a replication by the rules that always hold, from what was asked for and what was done: never from the code.

Each rule is a function that yields a sentence for each time it was broken. An image is known by its id; what a run may
rely on is what it read last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testkit.pairs.case import OTHERS, Case, Deed, Wanted, grants, is_change, is_move, path_of, plain, verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def broken(case: Case) -> list[str]:
    """Every rule that was broken, in sentences."""
    return [sentence for rule in RULES for sentence in rule(case)]


def source_is_no_target(case: Case) -> Iterator[str]:
    """Rule 1, of a replication."""
    source = path_of(case.source)
    yield from (
        f"{verb(call)} was sent to the source" for call in case.calls if call["target"] == source and is_change(call)
    )
    yield from ("the source was changed" for deed in case.own if deed.before and deed.before["id"] == case.source["id"])


def only_replicas_are_touched(case: Case) -> Iterator[str]:
    """No image of another name or project, whatever is called alike."""
    for call in case.calls:
        if is_change(call) and call["target"] not in case.by_path:
            yield f"{verb(call)} was sent to {call['target']}"


def only_failed_copies_are_deleted(case: Case) -> Iterator[str]:
    """Rules 2 and 15: only where that is allowed, in no family, and as the plan saw it."""
    for deed in case.own:
        if deed.before is None or deed.after is not None:
            continue
        reads = case.reads(deed.path, deed.at - 1)
        seen = [case.standing(deed.path, number) for number in (reads[:1] + reads[-1:])]
        if not case.replace_failed:
            yield f"{deed.path} was deleted, which nobody allowed"
        elif deed.before["status"] != "FAILED" or not case.is_ours(deed.before):
            yield f"{deed.path} was deleted, which is no failed copy of the source"
        elif any(image is None or image.get("family") for image in seen):
            yield f"{deed.path} was deleted, which is in a family"
        elif plain(seen[0]) != plain(seen[-1]):
            yield f"{deed.path} was deleted, though it changed since the plan was made"
        elif (seen[-1] or {}).get("id") != deed.before["id"]:
            yield f"{deed.path} was deleted, which is another image than the run had read"


def only_copies_of_the_source_are_changed(case: Case) -> Iterator[str]:
    """Rule 3: by id, lineage and place, as far as the run could know."""
    for deed in case.own:
        wanted = case.by_path.get(deed.path)
        if deed.before is None or wanted is None:
            continue
        known = case.known(deed)
        if known is None or not case.is_ours(known) or known["storageLocations"] != [wanted.location]:
            yield f"{deed.path} was changed, which is no copy of the source in {wanted.location}"


def copies_are_made_closed(case: Case) -> Iterator[str]:
    """Rule 4, its beginning: where it was asked for, of the source or of a verified replica, without a family."""
    for call in case.calls:
        wanted = case.by_path.get(call["target"])
        if verb(call) != "insert" or wanted is None:
            continue
        body = call["body"]
        if body.get("family") or body.get("storageLocations") != [wanted.location]:
            yield f"{wanted.path} was made with a family, or elsewhere"
        if body.get("labels", {}) != wanted.labels or body.get("description", "") != wanted.description:
            yield f"{wanted.path} was made with other labels or another description"
    for deed in case.own:
        parent = case.ever.get(deed.after.get("sourceImageId", "")) if deed.before is None and deed.after else None
        if parent and parent["id"] != case.source["id"] and not case.touched(path_of(parent)):
            origin = case.by_path.get(path_of(parent))
            if origin is None or not case.is_verified(case.standing(origin.path, deed.at - 1), origin):
                yield f"{deed.path} was copied from {path_of(parent)}, which is no verified replica"


def nothing_opens_unverified(case: Case) -> Iterator[str]:
    """Rule 4: access after verification."""
    for deed in case.own:
        wanted = case.by_path.get(deed.path)
        if deed.before and deed.after and wanted and grants(deed.after) - grants(deed.before):
            if deed.before["status"] != "READY" or not case.is_right(case.known(deed), wanted):
                yield f"{deed.path} was opened before it was verified"
            elif not case.touched(deed.path) and not case.is_told(deed.before, wanted):
                yield f"{deed.path} was opened before it was labelled and described"


def families_move_to_what_is_verified(case: Case) -> Iterator[str]:
    """Rule 4, its end."""
    for deed, wanted in _moves(case):
        assert deed.before is not None
        known = case.known(deed)
        if deed.before["status"] != "READY" or known is None or not case.is_right(known, wanted):
            yield f"the family {wanted.family} was given to {deed.path}, which is not verified"
        elif known["id"] != deed.before["id"]:
            # Somebody replaced it since it was read, which no call by name can prevent.
            continue
        elif not case.is_told(known, wanted) or not case.readers <= grants(deed.before):
            yield f"the family {wanted.family} was given to {deed.path}, which is not labelled, described or open"


def families_move_as_a_set(case: Case) -> Iterator[str]:
    """Rule 5: when all came to an end, and only if every required one is verified."""
    moves = [number for number, call in enumerate(case.calls) if is_move(call)]
    if not moves:
        return
    if not case.promote:
        yield "a family moved, though promote is off"
    if any(is_change(call) and not is_move(call) for call in case.calls[moves[0] :]):
        yield "a family moved while replicas were still being made"
    for wanted in case.wanted:
        image = case.standing(wanted.path, moves[0] - 1)
        if wanted.required and not case.touched(wanted.path) and not case.is_verified(image, wanted):
            yield f"a family moved, though {wanted.path} is required and not verified"


def families_never_go_back(case: Case) -> Iterator[str]:
    """Rule 7: by the age of the releases; what is withdrawn gets none; no head but a shared family's lead."""
    for deed, wanted in _moves(case):
        before, after = deed.heads.get(wanted.family, (None, None))
        assert deed.after is not None
        if (case.source.get("deprecated") or {}).get("state", "ACTIVE") != "ACTIVE":
            yield f"the family {wanted.family} was given to a copy of a withdrawn source"
        if after != deed.after["id"] or before in {None, after} or _head_changed_since(case, deed, wanted.family):
            continue
        assert before is not None
        if case.released(case.ever[before]) > case.source["creationTimestamp"]:
            yield f"the family {wanted.family} went back to {deed.path}"
        if wanted.lead not in {"", deed.path}:
            yield f"the family {wanted.family} was taken over by {deed.path}"


def families_keep_a_head(case: Case) -> Iterator[str]:
    """Rules 14 and 15. What is wanted may take a replica out of a family that somebody else had put it into."""
    for deed in case.own:
        if deed.after and deed.path in case.by_path and deed.after.get("family") == case.by_path[deed.path].family:
            continue
        yield from (f"{name} has no head any more" for name, heads in deed.heads.items() if heads[0] and not heads[1])


def what_others_gave_stays(case: Case) -> Iterator[str]:
    """Labels, members and all else: only what is wanted is added or set."""
    for deed in case.own:
        wanted, before, after = case.by_path.get(deed.path), deed.before, deed.after
        if wanted is None or before is None or after is None:
            continue
        labels = {**before.get("labels", {}), **wanted.labels}
        if after.get("labels", {}) not in (before.get("labels", {}), labels):
            yield f"labels of {deed.path} were lost, or invented: {after.get('labels')}"
        if not grants(before) <= grants(after) <= grants(before) | case.readers:
            yield f"grants on {deed.path} were lost, or invented: {after['policy']}"
        for key, value in (("family", wanted.family), ("description", wanted.description)):
            if after.get(key, "") not in (before.get(key, ""), value):
                yield f"{key} of {deed.path} became {after.get(key)!r}"
        if plain(before, changing=False) != plain(after, changing=False):
            yield f"more of {deed.path} was changed than may be"


def leads_are_copied_last(case: Case) -> Iterator[str]:
    """So that the head is theirs: where nothing goes wrong, and nobody else is at work."""
    sent = {call["target"]: number for number, call in enumerate(case.calls) if verb(call) == "insert"}
    refused = any(call["fault"] or call["status"] != 200 for call in case.calls if verb(call) == "insert")
    if refused or any(deed.by == OTHERS for deed in case.deeds):
        return
    begun = {path_of(image) for image in case.begun if image["status"] == "PENDING"}
    for wanted in case.wanted:
        if wanted.path in sent and wanted.path not in begun and sent[wanted.path] > sent.get(wanted.lead, 10**9):
            yield f"{wanted.lead} leads the family {wanted.family}, and was copied before {wanted.path}"


RULES = (
    source_is_no_target,
    only_replicas_are_touched,
    only_failed_copies_are_deleted,
    only_copies_of_the_source_are_changed,
    copies_are_made_closed,
    nothing_opens_unverified,
    families_move_to_what_is_verified,
    families_move_as_a_set,
    families_never_go_back,
    families_keep_a_head,
    what_others_gave_stays,
    leads_are_copied_last,
)


def untrue(case: Case, rows: Mapping[str, Mapping[str, Any]], images: Mapping[str, str]) -> Iterator[str]:
    """Rule 17: what the results say that isn't so; of what somebody else changed meanwhile nothing can be said."""
    for wanted in case.wanted:
        row = rows[wanted.location]
        if case.touched(wanted.path):
            continue
        now = case.standing(wanted.path, len(case.calls))
        deeds = [deed for deed in case.own if deed.path == wanted.path]
        if wanted.location in images and not case.is_verified(now, wanted):
            yield f"{wanted.location} is said to be served, and isn't as wanted"
        carries = bool(now and case.is_ours(now) and wanted.family and now.get("family") == wanted.family)
        if row["promoted"] is not carries:
            yield f"{wanted.location}: promoted is {row['promoted']}, which isn't so"
        did = {"adopted": not deeds, "created": any(deed.before is None for deed in deeds), "repaired": bool(deeds)}
        if not did.get(row["outcome"], True):
            yield f"{wanted.location} is said to be {row['outcome']}, and isn't"


def _moves(case: Case) -> Iterator[tuple[Deed, Wanted]]:
    for deed in case.own:
        wanted = case.by_path.get(deed.path)
        if deed.before and deed.after and wanted and deed.before.get("family") != deed.after.get("family"):
            yield deed, wanted


def _head_changed_since(case: Case, deed: Deed, family: str) -> bool:
    """Whether somebody else moved the family after the run had looked at its head."""
    target = f"projects/{deed.path.split('/')[1]}/global/images/family/{family}"
    reads = [
        number
        for number, call in enumerate(case.calls[: deed.at - 1])
        if call["target"] == target and not call["fault"]
    ]
    return bool(reads) and any(
        other.by == OTHERS and other.at > reads[-1] and family in other.heads
        for other in case.deeds
        if other.at <= deed.at
    )
