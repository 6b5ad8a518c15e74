"""A checkout, and an environment, that mean harm: what they hold, and how to see whether any of it had its way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: In the place of modules that the interpreter, pip or the action import. Each says its name when it is executed.
MODULES = (
    "fnmatch.py",
    "google/__init__.py",
    "json.py",
    "pip/__init__.py",
    "pip/__main__.py",
    "pydantic.py",
    "re.py",
    "replicator/__init__.py",
    "replicator/__main__.py",
    "replicator/bootstrap/decide.py",
    "sitecustomize.py",
    "unicodedata.py",
    "usercustomize.py",
    "venv.py",
    "yaml.py",
)

#: In the place of programs, and files that a shell may read. Each says its name, too.
SCRIPTS = (
    ".bash_profile",
    ".bashrc",
    ".env",
    ".envrc",
    ".profile",
    ".venv/bin/activate",
    "cat",
    "env",
    "mktemp",
    "pip3",
    "python",
    "python3",
    "rm",
    "sh",
    "uv",
)

#: Settings that would break, or turn aside, whoever obeys them.
SETTINGS = {
    ".condarc": "channels: [http://127.0.0.1:9]\n",
    ".netrc": "default login somebody password secret\n",
    ".pdbrc": "import os; os._exit(99)\n",
    ".pydistutils.cfg": "[install]\nprefix=elsewhere\n",
    ".python-version": "2.7\n",
    ".tool-versions": "python 2.7\n",
    "locks/action.txt": "no-such-package-of-ours==1\n",
    "pip.conf": "[global]\nindex-url = http://127.0.0.1:9\n[install]\ntarget = packages\n",
    "pip.ini": "[install]\ntarget = packages\n",
    "pyproject.toml": '[build-system]\nrequires = ["no-such-package-of-ours"]\n[tool.uv]\nno-index = true\n',
    "pyvenv.cfg": "home = /nowhere\n",
    "requirements.txt": "no-such-package-of-ours==1\n",
    "setup.cfg": "[install]\nprefix = elsewhere\n",
    "uv.toml": 'index-url = "http://127.0.0.1:9"\n',
}

PYTHON = {
    "PYTHONBREAKPOINT": "json.set_trace",
    "PYTHONCASEOK": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONEXECUTABLE": "python3",
    "PYTHONHASHSEED": "none",
    "PYTHONHOME": ".",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii:strict",
    "PYTHONMALLOC": "none",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": ".",
    "PYTHONPLATLIBDIR": "nowhere",
    "PYTHONPYCACHEPREFIX": "cache",
    "PYTHONSAFEPATH": "",
    "PYTHONSTARTUP": "json.py",
    "PYTHONUSERBASE": ".",
    "PYTHONUTF8": "0",
    "PYTHONWARNINGS": "error",
}
PIP = {
    "PIP_CONFIG_FILE": "pip.conf",
    "PIP_CONSTRAINT": "requirements.txt",
    "PIP_DRY_RUN": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_PREFIX": "packages",
    "PIP_PYTHON": "python3",
    "PIP_REQUIREMENT": "requirements.txt",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_ROOT": "packages",
    "PIP_TARGET": "packages",
    "PIP_UPGRADE": "1",
    "PIP_USER": "1",
}
OTHER_TOOLS = {
    "CONDA_PREFIX": ".",
    "UV_BUILD_CONSTRAINT": "requirements.txt",
    "UV_CACHE_DIR": "cache",
    "UV_CONFIG_FILE": "uv.toml",
    "UV_CONSTRAINT": "requirements.txt",
    "UV_DEFAULT_INDEX": "http://127.0.0.1:9",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_FIND_LINKS": "packages",
    "UV_INDEX_URL": "http://127.0.0.1:9",
    "UV_LINK_MODE": "symlink",
    "UV_NO_BINARY": "1",
    "UV_NO_INDEX": "1",
    "UV_NO_VERIFY_HASHES": "1",
    "UV_OFFLINE": "1",
    "UV_OVERRIDE": "requirements.txt",
    "UV_PROJECT": ".",
    "UV_PYTHON": "2.7",
    "UV_WORKING_DIR": ".",
    "VIRTUAL_ENV": ".venv",
}
SHELL = {
    "BASHOPTS": "extdebug",
    "BASH_ENV": ".bashrc",
    "CDPATH": ".:/nowhere",
    "ENV": ".profile",
    "GLOBIGNORE": "*",
    "GREP_OPTIONS": "--color=always",
    "IFS": "/",
    "POSIXLY_CORRECT": "1",
    "SHELLOPTS": "noexec:nounset:noclobber:xtrace",
}


def functions(witness: Path) -> dict[str, str]:
    """Functions that bash exports in the place of commands, which say their names."""
    names = ("cd", "command", "compgen", "exec", "printf", "python3", "unset", "wait")
    return {f"BASH_FUNC_{name}%%": f"() {{ builtin echo {name} >>'{witness}'; return 1; }}" for name in names}


def make_hostile(workspace: Path, witness: Path) -> None:
    """A checkout whose files would like to be executed, or obeyed, in the place of ours."""
    texts = dict(SETTINGS)
    texts |= {name: f"open({str(witness)!r}, 'a').write({name + ' '!r})\n" for name in MODULES}
    texts |= {name: f"#!/bin/bash\nbuiltin echo {name} >>'{witness}'\nexit 1\n" for name in SCRIPTS}
    for name, text in texts.items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o755 if name in SCRIPTS else 0o644)


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below a folder: its kind, its permissions, the hash of its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = f"{status.st_mode:o} {hashlib.sha256(data).hexdigest()}"
    return found
