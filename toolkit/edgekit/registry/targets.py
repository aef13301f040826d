"""Devices to measure files on."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.registry.entry import Entry, Program

TARGETS: Mapping[str, Entry] = {
    "host": Entry("edgekit.bench.targets.host:HostTarget", "this machine, in a fresh process without TensorFlow"),
    "ssh": Entry(
        "edgekit.bench.targets.ssh:SshTarget", "ssh://[user@]host[:port]: a Raspberry Pi or another Linux device",
        form="ssh://[user@]host[:port]",
        program=Program("ssh", "Linux devices", {
            "": "openssh", "debian": "openssh-client", "fedora": "openssh-clients", "rhel": "openssh-clients"
        }),
    ),
    "adb": Entry(
        "edgekit.bench.targets.adb:AdbTarget", "adb[:SERIAL]: an Android device, with a native runner",
        form="adb[:SERIAL]",
        program=Program("adb", "Android devices", {
            "": "android-tools", "debian": "adb", "darwin": "--cask android-platform-tools"
        }),
    ),
}  # fmt: skip


def target_forms() -> tuple[str, ...]:
    """How targets are written, such as "adb[:SERIAL]"."""
    return tuple(entry.form or name for name, entry in TARGETS.items())
