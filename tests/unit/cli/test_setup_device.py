"""edgekit setup-device: what is refused before any device is reached."""

import pytest

from edgekit.bench import named
from edgekit.cli.setup_device import setup_device
from edgekit.errors import UsageError


def test_an_interpreter_of_the_users_own_is_left_to_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    named.path().parent.mkdir(parents=True)
    named.path().write_text("pi: {target: 'ssh://pi@127.0.0.1:9', python: /opt/py}\n")
    with pytest.raises(UsageError, match=r"pi has `python: /opt/py` in targets\.yaml.*or drop `python`"):
        setup_device("pi")
