"""A file appears whole or not at all, and nothing that is not a file is ever replaced by one."""

from __future__ import annotations

import hashlib
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.files import (
    atomic_path,
    check_output,
    check_outputs,
    is_stdout,
    messages,
    open_stream,
    scratch_folder,
    sha256,
    write_bytes,
    write_text,
)


def run(program: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """A program that imports the rule, in a process of its own."""
    command = [sys.executable, "-c", f"import sys; from pathlib import Path; from stc.files import *; {program}"]
    return subprocess.run([*command, *map(str, arguments)], text=True, check=False, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_success_replaces_and_keeps_the_suffix_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "made" / "picture.png"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 250 + ".json", "." + "x" * 254, "a." + "y" * 253, "\n"])
def test_every_name_that_the_disk_takes_is_taken(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"
    assert len(list(tmp_path.iterdir())) == 1


class TestPermissions:
    def test_a_new_file_gets_those_of_any_new_file_and_the_umask_is_never_touched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Setting it, even for a moment, opens the files that other threads make meanwhile."""
        before = os.umask(0o077)
        try:
            monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask was set"))
            write_text(tmp_path / "private", "text")
        finally:
            monkeypatch.undo()
            os.umask(before)
        (tmp_path / "ordinary").touch()
        write_text(tmp_path / "ours", "text")
        assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode

    def test_threads_that_finish_files_never_open_one(self, tmp_path: Path) -> None:
        before, modes = os.umask(0o077), set()

        def work(number: int) -> None:
            for _ in range(50):
                write_text(tmp_path / str(number), "text")
                modes.add((tmp_path / str(number)).stat().st_mode & 0o777)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.umask(before) == 0o077
        assert modes == {0o600}

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755])
    def test_an_existing_file_keeps_its_own(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "file").chmod(mode)
        write_text(tmp_path / "file", "text")
        assert (tmp_path / "file").stat().st_mode & 0o777 == mode

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
    def test_root_leaves_a_file_its_owner(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        os.chown(tmp_path / "file", 1234, 1234)
        write_text(tmp_path / "file", "text")
        assert (tmp_path / "file").stat().st_uid == 1234


class TestLinks:
    def test_a_link_is_followed_and_stays(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder/real").write_text("old")
        (tmp_path / "link").symlink_to("folder/real")
        (tmp_path / "chain").symlink_to("link")
        write_text(tmp_path / "chain", "new")
        assert (tmp_path / "folder/real").read_text() == "new"
        assert (tmp_path / "chain").is_symlink()
        assert (tmp_path / "link").is_symlink()

    def test_a_link_to_nothing_makes_what_it_names(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("later")
        write_text(tmp_path / "link", "new")
        assert (tmp_path / "later").read_text() == "new"

    def test_links_in_a_circle_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(InputError, match="loop: cannot be written"):
            check_output(tmp_path / "loop")


class TestSpecialFiles:
    def test_a_pipe_gets_all_of_it_and_stays_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        content = os.urandom(300_001)  # more than a pipe holds
        with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
            thread = threading.Thread(target=write_bytes, args=(tmp_path / "pipe", content))
            thread.start()
            assert reader.communicate(timeout=30)[0] == content
            thread.join()
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    def test_a_device_stays_a_device(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(os.devnull)
        for path in (Path(os.devnull), tmp_path / "link"):
            check_output(path)
            write_text(path, "text")
        assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
        assert (tmp_path / "link").is_symlink()

    def test_a_socket_that_listens_gets_it(self, tmp_path: Path) -> None:
        import socket

        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "socket"))
            server.listen()
            write_text(tmp_path / "socket", "text")
            connection, _ = server.accept()
            with connection:
                assert connection.recv(100) == b"text"

    def test_a_full_device_is_named(self) -> None:
        with pytest.raises(InputError, match=r"/dev/full: cannot be written \(No space left on device\)"):
            write_text(Path("/dev/full"), "text")


class TestStdout:
    @pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
    @pytest.mark.parametrize("into", ["pipe", "file"])
    def test_what_is_printed_and_what_is_written_come_in_order(self, tmp_path: Path, name: str, into: str) -> None:
        """Into a file it must go on behind what was printed; a file that took its place would lose that."""
        (tmp_path / "link").symlink_to("/dev/stdout")
        program = (
            "print('before', end=' '); write_bytes(Path(sys.argv[1]), b'bytes\\xff '); "
            "s = open_stream(Path(sys.argv[1])); s.write(b'line '); s.close(); print('after', end='')"
        )
        command = [
            sys.executable,
            "-c",
            f"import sys; from pathlib import Path; from stc.files import *; {program}",
            name,
        ]
        with (tmp_path / "out").open("wb") as file:
            stdout = subprocess.PIPE if into == "pipe" else file
            done = subprocess.run(command, stdout=stdout, cwd=tmp_path, check=True, timeout=60)
        found = done.stdout if into == "pipe" else (tmp_path / "out").read_bytes()
        assert found == b"before bytes\xff line after"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]

    def test_people_are_talked_to_elsewhere_then(self, tmp_path: Path) -> None:
        assert messages(tmp_path / "file", None) is sys.stdout
        assert messages(None, Path("-")) is sys.stderr
        assert messages(Path("/dev/stdout")) is sys.stderr
        assert not is_stdout(Path("/dev/stderr"))
        assert not is_stdout(None)

    def test_when_it_is_closed_that_is_said(self) -> None:
        done = run("write_text(Path('-'), 'text')", stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        assert "stdout is closed; give a file" in done.stderr


class TestFullDisk:
    """A limit on the size of files fails in the middle of a write, as a full disk does."""

    @staticmethod
    def limited(program: str, path: Path) -> str:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

        return run(program, path, stderr=subprocess.PIPE, preexec_fn=limit).stderr

    def test_the_file_is_named_and_the_old_one_stays(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("old")
        told = self.limited("write_bytes(Path(sys.argv[1]), bytes(20_000))", tmp_path / "file")
        assert f"InputError: {tmp_path / 'file'}: cannot be written (File too large)" in told
        assert (tmp_path / "file").read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_stream_ends_on_its_last_whole_line(self, tmp_path: Path) -> None:
        told = self.limited(
            "s = open_stream(Path(sys.argv[1]))\nfor n in range(99): s.write(b'%03d' % n * 100 + b'\\n')",
            tmp_path / "lines",
        )
        assert f"InputError: {tmp_path / 'lines'}: cannot be written (File too large)" in told
        lines = (tmp_path / "lines").read_text().splitlines()
        assert lines == [f"{n:03d}" * 100 for n in range(33)]


class TestStream:
    def test_it_begins_anew_or_goes_on(self, tmp_path: Path) -> None:
        for append, text in ((False, b"one\n"), (True, b"two\n")):
            with open_stream(tmp_path / "made/lines", append=append) as stream:
                stream.write(text)
        assert (tmp_path / "made/lines").read_text() == "one\ntwo\n"
        open_stream(tmp_path / "made/lines").close()
        assert (tmp_path / "made/lines").read_text() == ""


class TestChecks:
    def test_an_input_is_not_written_over_under_any_name(self, tmp_path: Path) -> None:
        (tmp_path / "annotations").write_text("the only copy")
        (tmp_path / "hard").hardlink_to(tmp_path / "annotations")
        (tmp_path / "soft").symlink_to("annotations")
        for name in ("annotations", "hard", "soft", "../" + tmp_path.name + "/annotations"):
            with pytest.raises(InputError, match="is an input itself"):
                check_outputs([tmp_path / name], [None, str(tmp_path / "annotations")])

    def test_no_file_is_given_twice(self, tmp_path: Path) -> None:
        (tmp_path / "soft").symlink_to("file")
        for pair in (("file", "file"), ("file", "soft"), ("-", "/dev/stdout")):
            with pytest.raises(InputError, match="given for two outputs"):
                check_outputs([tmp_path / name if name[0] not in "-/" else Path(name) for name in pair])
        check_outputs([Path(os.devnull), Path(os.devnull), None, tmp_path / "file"])

    @pytest.mark.parametrize("name", ["", "file/below", "x" * 256, "/proc/none.json", "/proc/none/deep.json"])
    def test_what_cannot_be_written_is_said_before_the_work(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InputError):
            check_output(tmp_path / name)

    def test_a_folder_that_is_missing_is_made_when_the_file_is(self, tmp_path: Path) -> None:
        check_output(tmp_path / "a/b/c.json")
        assert not list(tmp_path.iterdir())
        write_text(tmp_path / "a/b/c.json", "text")
        assert (tmp_path / "a/b/c.json").is_file()


def test_windows_rule_of_fsync_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There only what is open for writing can be flushed."""
    import errno
    import fcntl

    real, flushed = os.fsync, []

    def fsync(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flushed.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"
    assert flushed


def test_a_scratch_folder_is_beside_its_output_and_goes(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "out.json") as folder:
        (folder / "spool").touch()
        assert tmp_path in folder.parents
    assert not list(tmp_path.iterdir())
    with scratch_folder(Path(os.devnull)) as folder:
        assert Path("/dev") not in folder.parents


def test_sha256_equals_hashlib(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
