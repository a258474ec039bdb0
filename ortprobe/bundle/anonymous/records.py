"""Manifest and hook log without names."""

from __future__ import annotations

from functools import singledispatch

from msgspec.structs import replace

from ortprobe.bundle.anonymous.pseudonyms import LEFT_OUT, Pseudonyms
from ortprobe.bundle.confirmations import OWN_WORDS, Confirmation
from ortprobe.bundle.manifest import Manifest
from ortprobe.bundle.records import (
    Access,
    AnyRecord,
    Call,
    Handover,
    Lost,
    ProfileEnded,
    Served,
    SessionCreated,
    Thread,
    Window,
)

_TARGET = "anonymous"


def anonymous_manifest(manifest: Manifest, known: Pseudonyms) -> Manifest:
    """Without the target's name and arguments, models' paths and hashes, the branch of a build and which GPUs."""
    ending = manifest.ending
    devices = tuple(replace(each, uuid=known.of("gpu", each.uuid)) for each in manifest.environment.devices)
    return replace(
        manifest,
        target=replace(manifest.target, name=_TARGET, argv=()),
        environment=replace(manifest.environment, onnxruntime_build="", devices=devices),
        ending=ending and replace(ending, exception=LEFT_OUT if ending.exception else ""),
        models=tuple(replace(model, path=known.file("model", model.path), sha256="") for model in manifest.models),
    )


def anonymous_confirmation(confirmation: Confirmation, known: Pseudonyms) -> Confirmation:
    """Reasons stay where they are ortprobe's own words: others may quote anything."""
    suspect, why = confirmation.suspect, confirmation.why
    unnamed = replace(
        suspect,
        first_site=known.site(suspect.first_site),
        second_site=known.site(suspect.second_site),
        buffer=known.of("value", suspect.buffer),
    )
    return replace(confirmation, suspect=unnamed, why=why if not why or OWN_WORDS.fullmatch(why) else LEFT_OUT)


@singledispatch
def anonymous_record(record: AnyRecord, known: Pseudonyms) -> AnyRecord:  # noqa: ARG001 - of those that hold no name
    """One record of the hook log without names. Its times, numbers and addresses stay."""
    return record


@anonymous_record.register
def _(record: Call, known: Pseudonyms) -> Call:
    return replace(
        record,
        buffer=known.of("value", record.buffer),
        site=known.site(record.site),
        options=known.entries(record.options),
        error=LEFT_OUT if record.error else "",
    )


@anonymous_record.register
def _(record: SessionCreated, known: Pseudonyms) -> SessionCreated:
    return replace(
        record,
        site=known.site(record.site),
        model_path=known.file("model", record.model_path),
        requested_providers=tuple(map(known.provider, record.requested_providers)),
        requested_options=_options_of_providers(record.requested_options, known),
        providers=tuple(map(known.provider, record.providers)),
        provider_options=_options_of_providers(record.provider_options, known),
        previous_provider_options=_options_of_providers(record.previous_provider_options, known),
        session_options=known.options(record.session_options),
        graph_name=known.of("graph", record.graph_name),
        producer=known.of("producer", record.producer),
        inputs=tuple(known.of("value", name) for name in record.inputs),
        outputs=tuple(known.of("value", name) for name in record.outputs),
        input_types=tuple(map(known.tensor_type, record.input_types)),
        output_types=tuple(map(known.tensor_type, record.output_types)),
        profile_prefix=known.trace(record.profile_prefix).removesuffix(".json"),
        error=LEFT_OUT if record.error else "",
    )


@anonymous_record.register(Served)
@anonymous_record.register(Handover)
def _(record: Served | Handover, known: Pseudonyms) -> Served | Handover:
    return replace(record, site=known.site(record.site))


@anonymous_record.register(Window)
@anonymous_record.register(ProfileEnded)
def _(record: Window | ProfileEnded, known: Pseudonyms) -> Window | ProfileEnded:
    return replace(record, file=known.trace(record.file))


@anonymous_record.register
def _(record: Thread, known: Pseudonyms) -> Thread:
    return replace(record, name=known.thread(record.name))


@anonymous_record.register
def _(record: Access, known: Pseudonyms) -> Access:
    return replace(record, op=known.torch_op(record.op))


@anonymous_record.register
def _(record: Lost, known: Pseudonyms) -> Lost:  # noqa: ARG001 - free text, which may quote anything
    return replace(record, why=LEFT_OUT)


def _options_of_providers(options: dict[str, dict[str, str]], known: Pseudonyms) -> dict[str, dict[str, str]]:
    return {known.provider(name): known.options(values) for name, values in options.items()}
