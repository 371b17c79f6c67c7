"""Loading data sets from whatever a machine has: recovery or a clear error, and never a wrong array."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import data_helpers
import numpy as np
import pytest
from data_helpers import Server, archive, batches, examples, idx_files, npz, sha256, stand_in, write

from kit import datasets
from kit.datasets import cache as data_cache
from kit.datasets import loading, places, registry
from kit.datasets.loading import Published
from kit.datasets.registry import CIFAR10, FASHION_MNIST, MNIST, DataSet, RemoteFile
from kit.storage import files
from kit.types import FailedRun

Refused = Callable[..., str]
COLOUR, GREY = (4, 5, 3), (4, 5, 1)
X, Y = examples(GREY)
COLOUR_X, COLOUR_Y = examples(COLOUR)
NPZ_CONTENT = npz(X, Y)
ARCHIVE_CONTENT = archive(batches(COLOUR_X, COLOUR_Y))
IDX_CONTENTS = idx_files(X, Y)
NOWHERE = "http://127.0.0.1:9/"  # a port on which nobody listens


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without any data, in a folder that other users may look into, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name in ("KERAS_HOME", "KIT_HOME"):
            monkeypatch.setenv(name, str(Path(folder) / name))
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.delenv("KIT_DATA", raising=False)
        monkeypatch.setattr(places, "KAGGLE_INPUT", Path(folder) / "kaggle")
        yield Path(folder)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def tiny_mnist(*urls: str, content: bytes = NPZ_CONTENT) -> DataSet:
    return stand_in(MNIST, GREY, RemoteFile("mnist.npz", sha256(content), len(content), urls or (NOWHERE,)))


def tiny_cifar(*urls: str) -> DataSet:
    file = RemoteFile("cifar-10-python.tar.gz", sha256(ARCHIVE_CONTENT), len(ARCHIVE_CONTENT), urls or (NOWHERE,))
    return stand_in(CIFAR10, COLOUR, file)


def tiny_fashion(server: Server, behaviour: data_helpers.Behaviour = data_helpers.good) -> DataSet:
    return stand_in(
        FASHION_MNIST,
        GREY,
        *(
            RemoteFile(name, sha256(content), len(content), (server.url(f"/{name}", behaviour, content),))
            for name, content in IDX_CONTENTS.items()
        ),
    )


def keras(home: Path, below: str = "") -> Path:
    return home / "KERAS_HOME" / "datasets" / below


def cache(home: Path, name: str) -> Path:
    return home / "KIT_HOME" / "datasets" / name


def check(published: Published, x: np.ndarray, y: np.ndarray) -> None:
    np.testing.assert_array_equal(published.arrays.x, x)
    np.testing.assert_array_equal(published.arrays.y, y)
    assert (published.arrays.x.dtype, published.arrays.y.dtype) == (np.uint8, np.int32)
    assert published.num_train == 30


def failed(call: Callable[[], object], *fragments: str) -> str:
    with pytest.raises(FailedRun) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for fragment in (*fragments, "Expected"):
        assert fragment in message
    return message


# Each place


def test_keras_archive_is_checked_by_its_digest(home: Path) -> None:
    write(keras(home), {"cifar-10-batches-py-target_archive": ARCHIVE_CONTENT})
    published = loading.load(tiny_cifar())
    check(published, COLOUR_X, COLOUR_Y)
    assert published.sha256 == sha256(ARCHIVE_CONTENT)
    path = keras(home) / "cifar-10-batches-py-target_archive"
    assert published.source == f"Keras's cache, {path}, checked by the published sha256"


def test_keras_extracted_folder_is_checked_by_structure_and_its_arrays_are_hashed(home: Path) -> None:
    folder = write(keras(home, "cifar-10-batches-py-target/cifar-10-batches-py"), batches(COLOUR_X, COLOUR_Y))
    published = loading.load(tiny_cifar())
    check(published, COLOUR_X, COLOUR_Y)
    assert published.source == f"Keras's cache, {folder}, checked by structure"
    assert published.sha256 == hashlib.sha256(COLOUR_X.tobytes() + COLOUR_Y.astype("<i4").tobytes()).hexdigest()


def test_an_npz_of_keras_with_other_bytes_is_checked_by_structure(home: Path) -> None:
    write(keras(home), {"mnist.npz": NPZ_CONTENT})
    published = loading.load(tiny_mnist(content=b"others"))
    check(published, X, Y)
    assert published.sha256 == sha256(NPZ_CONTENT)
    assert published.source.endswith("mnist.npz, checked by structure")


def test_files_are_told_apart_where_some_are_the_published_ones(home: Path, server: Server) -> None:
    folder = write(keras(home, "fashion-mnist"), IDX_CONTENTS)
    assert loading.load(tiny_fashion(server)).source.endswith("checked by the published sha256")
    changed = "train-images-idx3-ubyte.gz"
    (folder / changed).write_bytes(gzip.compress(gzip.decompress(IDX_CONTENTS[changed]), compresslevel=1))
    published = loading.load(tiny_fashion(server))
    check(published, X, Y)
    rest = ", ".join(name for name in IDX_CONTENTS if name != changed)
    assert published.source.endswith(f"checked by the published sha256 ({rest}) and by structure ({changed})")
    assert server.requests == []


@pytest.mark.parametrize("place", ["argument", "variable", "kaggle"])
def test_a_folder_of_the_users_or_kaggles_is_used_where_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = write(home / ("kaggle" if place == "kaggle" else "named") / "below", batches(COLOUR_X, COLOUR_Y))
    if place == "variable":
        monkeypatch.setenv("KIT_DATA", str(folder.parent))
    check(loading.load(tiny_cifar(), folder.parent if place == "argument" else None), COLOUR_X, COLOUR_Y)
    assert not (home / "KIT_HOME").exists()


def test_an_archive_of_the_users_must_be_the_published_one(home: Path) -> None:
    other = archive(batches(*examples(COLOUR, seed=1)))
    write(home / "named", {"cifar-10-python.tar.gz": other})
    message = failed(lambda: loading.load(tiny_cifar(), home / "named"), sha256(other)[:12])
    assert f"'{home / 'named' / 'cifar-10-python.tar.gz'}'" in message


def test_what_is_nowhere_is_downloaded_and_kept(home: Path, server: Server) -> None:
    data_set = tiny_cifar(server.url("/file", data_helpers.good, ARCHIVE_CONTENT))
    for _ in range(2):
        published = loading.load(data_set)
        check(published, COLOUR_X, COLOUR_Y)
        assert published.source.startswith(f"the kit's cache, {cache(home, 'cifar10')}")
        assert published.sha256 == sha256(ARCHIVE_CONTENT)
    assert server.requests == ["/file"]


def test_of_several_files_those_that_are_missing_are_downloaded(home: Path, server: Server) -> None:
    data_set = tiny_fashion(server)
    check(loading.load(data_set), X, Y)
    (cache(home, "fashion-mnist") / "t10k-labels-idx1-ubyte.gz").unlink()
    server.requests.clear()
    check(loading.load(data_set), X, Y)
    assert server.requests == ["/t10k-labels-idx1-ubyte.gz"]


# Faults: recovery or a clear error, never a wrong array

FAULTS: dict[str, data_helpers.Behaviour] = {
    "cut at 0 %": data_helpers.cut(0),
    "cut at 50 %": data_helpers.cut(0.5),
    "cut at 99 %": data_helpers.cut(0.99),
    "cut in silence at 99 %": data_helpers.cut_in_silence(0.99),
    "an HTML page": data_helpers.page,
    "a wrong bit": data_helpers.flipped,
    "404": data_helpers.status(404),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_download_is_one_paragraph_that_says_what_to_do(home: Path, server: Server, fault: str) -> None:
    data_set = tiny_cifar(server.url("/file", FAULTS[fault], ARCHIVE_CONTENT), NOWHERE)
    message = failed(
        lambda: loading.load(data_set),
        "CIFAR-10 is not on this machine and could not be downloaded",
        f"(cifar-10-python.tar.gz from {server.host}: ",
        "127.0.0.1:9: no answer",
        str(keras(home)),
        str(cache(home, "cifar10").parent),
        "cifar-10-python.tar.gz, or what is in it: data_batch_1 to data_batch_5 and test_batch",
        "kit data cifar10 --folder DIR",
        data_set.files[0].urls[0],
    )
    assert "Skipped" not in message
    assert [path.name for path in cache(home, "cifar10").iterdir()] == [".lock"]
    check(
        loading.load(tiny_cifar(server.url("/good", data_helpers.good, ARCHIVE_CONTENT))), COLOUR_X, COLOUR_Y
    )  # and nothing stands in the way of the next one


def test_a_damaged_cache_of_keras_is_skipped_announced_and_left_alone(home: Path, server: Server) -> None:
    damaged = NPZ_CONTENT[:-100]
    write(keras(home), {"mnist.npz": damaged})
    lines: list[str] = []
    url = server.url("/file", data_helpers.good, NPZ_CONTENT)
    check(loading.load(tiny_mnist(url), announce=lines.append), X, Y)
    assert (keras(home) / "mnist.npz").read_bytes() == damaged
    assert len(lines) == 1
    assert f"MNIST in Keras's cache, {keras(home) / 'mnist.npz'}, is skipped: it cannot be read" in lines[0]


def test_everything_that_was_skipped_is_in_the_final_error(home: Path) -> None:
    write(keras(home), {"mnist.npz": b"not a zip"})
    write(home / "named", {"mnist.npz": b""})
    message = failed(lambda: loading.load(tiny_mnist(), home / "named"), "Skipped: ")
    for path in (keras(home) / "mnist.npz", home / "named" / "mnist.npz"):
        assert f"'{path}': it cannot be read" in message


@pytest.mark.parametrize("damage", [b"", NPZ_CONTENT[:-1], NPZ_CONTENT + b"x", b"<html>", npz(*examples(GREY, seed=1))])
def test_a_damaged_file_in_the_kits_cache_is_downloaded_again(home: Path, server: Server, damage: bytes) -> None:
    write(cache(home, "mnist"), {"mnist.npz": damage})
    lines: list[str] = []
    url = server.url("/file", data_helpers.good, NPZ_CONTENT)
    check(loading.load(tiny_mnist(url), announce=lines.append), X, Y)
    assert (cache(home, "mnist") / "mnist.npz").read_bytes() == NPZ_CONTENT
    assert len(lines) == 1
    assert "is skipped" in lines[0]


def test_a_damaged_file_in_the_kits_cache_stays_without_a_connection_and_is_told(home: Path) -> None:
    path = write(cache(home, "mnist"), {"mnist.npz": NPZ_CONTENT[:-1]}) / "mnist.npz"
    failed(lambda: loading.load(tiny_mnist()), f"Skipped: '{path}': ", "which is not the published one")
    assert path.read_bytes() == NPZ_CONTENT[:-1]


def test_adopted_files_whose_record_is_lost_are_not_lost_too(home: Path, server: Server) -> None:
    """Nobody has published their digests, and somebody unpacked them on a machine without a connection."""
    other = {name: gzip.compress(gzip.decompress(content), 1) for name, content in IDX_CONTENTS.items()}
    loading.adopt(tiny_fashion(server), write(home / "named", other))
    folder = cache(home, "fashion-mnist")
    (folder / data_cache.RECORD).unlink()
    offline = tiny_fashion(server, data_helpers.status(503))
    failed(lambda: loading.load(offline), "the server answered 503", f"Skipped: '{folder}': ")
    assert {name: (folder / name).read_bytes() for name in other} == other
    published = loading.adopt(offline, folder)  # the way out
    assert published is not None
    check(published, X, Y)
    (folder / data_cache.RECORD).unlink()
    check(loading.load(tiny_fashion(server)), X, Y)
    assert {name: (folder / name).read_bytes() for name in other} == IDX_CONTENTS


def test_the_error_of_a_failed_download_is_short_and_says_which_files_to_put_where(home: Path) -> None:
    for data_set in (CIFAR10, MNIST, FASHION_MNIST):
        here = tuple(f"{NOWHERE}{number}/" for number in range(4))
        moved = (
            dataclasses.replace(file, urls=tuple(f"{mirror}{file.name}" for mirror in here)) for file in data_set.files
        )
        message = failed(
            lambda data_set=dataclasses.replace(data_set, files=tuple(moved)): loading.load(data_set),
            f"{data_set.files[0].name} from 127.0.0.1:9 and 3 more: no answer (ConnectionError)",
            *(form.description for form in data_set.forms),
            f"for instance from {NOWHERE}0/",
            f"'kit data {data_set.name} --folder DIR'",
        )
        assert len(message) < 700
        assert message.count("no answer") == 1


def test_what_somebody_put_into_the_kits_cache_is_neither_used_nor_lost(home: Path) -> None:
    folder = write(cache(home, "mnist"), IDX_CONTENTS)
    failed(lambda: loading.load(tiny_mnist()), "which is not the published one")
    assert all((folder / name).read_bytes() == content for name, content in IDX_CONTENTS.items())


def test_the_published_file_put_into_the_kits_cache_by_hand_is_used(home: Path) -> None:
    write(cache(home, "mnist"), {"mnist.npz": NPZ_CONTENT})
    check(loading.load(tiny_mnist()), X, Y)


needs_modes = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes of folders mean something else on Windows")


@needs_modes
def test_a_read_only_cache_is_named_when_something_must_be_stored(home: Path, server: Server) -> None:
    (home / "KIT_HOME").mkdir()
    data_set = tiny_mnist(server.url("/file", data_helpers.good, NPZ_CONTENT))
    with data_helpers.closed(home / "KIT_HOME"):
        failed(
            lambda: loading.load(data_set),
            f"the kit's cache '{cache(home, 'mnist')}' cannot be written to (Permission denied)",
            "KIT_HOME",
        )
    assert server.requests == []


@needs_modes
def test_with_a_read_only_cache_data_from_elsewhere_are_just_used(home: Path) -> None:
    (home / "KIT_HOME").mkdir()
    write(home / "named", {"mnist.npz": NPZ_CONTENT})
    with data_helpers.closed(home / "KIT_HOME"):
        check(loading.load(tiny_mnist(), home / "named"), X, Y)


@needs_modes
def test_a_read_only_cache_is_read(home: Path, server: Server) -> None:
    data_set = tiny_mnist(server.url("/file", data_helpers.good, NPZ_CONTENT))
    loading.load(data_set)
    with data_helpers.closed(home / "KIT_HOME"):
        check(loading.load(data_set), X, Y)


@needs_modes
def test_a_read_only_and_damaged_cache_is_an_error_that_tells_of_both(home: Path, server: Server) -> None:
    path = write(cache(home, "mnist"), {"mnist.npz": NPZ_CONTENT[:-1]}) / "mnist.npz"
    data_set = tiny_mnist(server.url("/file", data_helpers.good, NPZ_CONTENT))
    with data_helpers.closed(home / "KIT_HOME"):
        failed(lambda: loading.load(data_set), "cannot be written to", "KIT_HOME", f"Skipped: '{path}'")
    assert path.read_bytes() == NPZ_CONTENT[:-1]
    check(loading.load(data_set), X, Y)


LOAD = """
import json, resource, sys
import data_helpers
from kit.datasets import loading, registry
from kit.types import FailedRun
digest, num_bytes, url, limit = json.loads(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
file = registry.RemoteFile("mnist.npz", digest, num_bytes, (url,))
try:
    published = loading.load(data_helpers.stand_in(registry.MNIST, (4, 5, 1), file))
    print(published.sha256, published.arrays.x.sum(), published.arrays.y.sum())
except FailedRun as error:
    print(error)
"""


def in_a_process(url: str, limit: int = 0) -> subprocess.Popen[str]:
    arguments = [sha256(NPZ_CONTENT), len(NPZ_CONTENT), url, limit]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-W", "error", "-c", LOAD, json.dumps(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_full_disk_is_one_paragraph_and_leaves_nothing(home: Path, server: Server) -> None:
    process = in_a_process(server.url("/file", data_helpers.good, NPZ_CONTENT), limit=500)
    message, _ = process.communicate(timeout=300)
    path = cache(home, "mnist") / "mnist.npz"
    assert message.startswith("MNIST is not on this machine and could not be stored: ")
    assert f"'{path}' cannot be stored (File too large); it takes 0.0 MB: free some space" in message
    assert message.count("\n") == 1
    assert [left.name for left in path.parent.iterdir()] == [".lock"]


def test_two_processes_that_find_a_damaged_file_mend_it_once(home: Path, server: Server) -> None:
    write(cache(home, "mnist"), {"mnist.npz": NPZ_CONTENT[:-1]})
    url = server.url("/file", data_helpers.good, NPZ_CONTENT)
    processes = [in_a_process(url) for _ in range(2)]
    output = {process.communicate(timeout=300)[0] for process in processes}
    assert output == {f"{sha256(NPZ_CONTENT)} {X.sum()} {Y.sum()}\n"}
    assert server.requests == ["/file"]


# Copies of a user's files


def test_adopted_files_are_copied_recorded_and_found_later(home: Path) -> None:
    folder = write(home / "named" / "deep" / "down", batches(COLOUR_X, COLOUR_Y) | {"notes.txt": b"mine"})
    data_set = tiny_cifar()
    published = loading.adopt(data_set, home / "named")
    assert published is not None
    check(published, COLOUR_X, COLOUR_Y)
    copies = cache(home, "cifar10")
    assert published.source == f"the kit's cache, {copies}, checked by the sha256 recorded when it was copied"
    contents = batches(COLOUR_X, COLOUR_Y)
    assert json.loads((copies / data_cache.RECORD).read_text())["content"] == {
        name: sha256(content) for name, content in contents.items()
    }
    assert {path.name for path in copies.iterdir()} == {*contents, data_cache.RECORD, ".lock"}
    for path in folder.iterdir():
        path.unlink()
    check(loading.load(data_set), COLOUR_X, COLOUR_Y)


def test_a_copy_that_was_changed_is_refused_and_can_be_made_again(home: Path) -> None:
    folder = write(home / "named", batches(COLOUR_X, COLOUR_Y))
    loading.adopt(tiny_cifar(), folder)
    changed = cache(home, "cifar10") / "data_batch_3"
    content = bytearray(changed.read_bytes())
    content[-40] ^= 1  # a pixel: no structure would tell
    changed.write_bytes(content)
    failed(lambda: loading.load(tiny_cifar()), "'data_batch_3' has the sha256")
    assert changed.read_bytes() == content
    check(loading.load(tiny_cifar(), folder), COLOUR_X, COLOUR_Y)
    published = loading.adopt(tiny_cifar(), folder)
    assert published is not None
    check(published, COLOUR_X, COLOUR_Y)


@pytest.mark.parametrize("content", [None, "", "[]", '{"data_batch_1": 3}', "not json"])
def test_a_copy_without_its_record_is_not_used(home: Path, content: str | None) -> None:
    loading.adopt(tiny_cifar(), write(home / "named", batches(COLOUR_X, COLOUR_Y)))
    record = cache(home, "cifar10") / data_cache.RECORD
    record.unlink() if content is None else record.write_text(content)
    failed(lambda: loading.load(tiny_cifar()), "which is not the published one")


def test_a_copy_takes_the_place_of_a_damaged_file_under_another_name(home: Path, server: Server) -> None:
    """The first of several names is taken: the damaged one would hide the copy for ever."""
    data_set = tiny_fashion(server, data_helpers.status(503))
    folder = write(cache(home, "fashion-mnist"), IDX_CONTENTS)
    (folder / data_helpers.IDX_NAMES[0]).write_bytes(b"damaged")
    plain = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in IDX_CONTENTS.items()}
    lines: list[str] = []
    published = loading.adopt(data_set, write(home / "named", plain), lines.append)
    assert published is not None
    check(published, X, Y)
    assert not (folder / data_helpers.IDX_NAMES[0]).exists()
    assert (folder / data_helpers.IDX_NAMES[1]).read_bytes() == IDX_CONTENTS[data_helpers.IDX_NAMES[1]]
    path = folder / data_helpers.IDX_NAMES[0]
    assert lines == [f"{path}, which did not have the right sha256, is replaced by the copy"]
    check(loading.load(data_set), X, Y)


def test_a_copy_beside_a_download_is_harmless(home: Path, server: Server) -> None:
    data_set = tiny_cifar(server.url("/file", data_helpers.good, ARCHIVE_CONTENT))
    loading.load(data_set)
    published = loading.adopt(data_set, write(home / "named", batches(*examples(COLOUR, seed=1))))
    assert published is not None
    check(published, COLOUR_X, COLOUR_Y)  # the surest form goes first


def test_the_cache_itself_may_be_named(home: Path) -> None:
    write(cache(home, "mnist"), IDX_CONTENTS)  # put there by hand
    published = loading.adopt(tiny_mnist(), home / "KIT_HOME")
    assert published is not None
    check(published, X, Y)
    check(loading.load(tiny_mnist()), X, Y)


def test_damaged_files_are_not_adopted(home: Path, refused: Refused) -> None:
    write(home / "named", {"mnist.npz": NPZ_CONTENT[:-1]})
    refused(lambda: loading.adopt(tiny_mnist(), home / "named"), str(home / "named" / "mnist.npz"), "cannot be read")
    assert not (home / "KIT_HOME").exists()


def test_of_a_damaged_and_a_whole_copy_the_whole_one_is_adopted(home: Path) -> None:
    write(home / "named", {"mnist.npz": NPZ_CONTENT[:-1]})
    write(home / "named" / "below", IDX_CONTENTS)
    published = loading.adopt(tiny_mnist(), home / "named")
    assert published is not None
    check(published, X, Y)


def test_a_folder_without_any_of_the_files_gives_none(home: Path, refused: Refused) -> None:
    (home / "named").mkdir()
    assert loading.adopt(tiny_mnist(), home / "named") is None
    refused(lambda: loading.adopt(tiny_mnist(), home / "missing"), "missing")


@needs_modes
def test_adopting_into_a_read_only_cache_names_the_ways_out(home: Path) -> None:
    (home / "KIT_HOME").mkdir()
    write(home / "named", {"mnist.npz": NPZ_CONTENT})
    with data_helpers.closed(home / "KIT_HOME"):
        failed(lambda: loading.adopt(tiny_mnist(), home / "named"), "could not be copied", "KIT_HOME", "KIT_DATA")


def test_a_file_that_changes_while_it_is_copied_is_not_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / "named", {"mnist.npz": NPZ_CONTENT}) / "mnist.npz"
    keep = data_cache.keep

    def change_and_keep(*arguments: object) -> None:
        path.write_bytes(npz(*examples(GREY, seed=1)))
        keep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(data_cache, "keep", change_and_keep)
    failed(lambda: loading.adopt(tiny_mnist(), home / "named"), "has changed while it was copied")
    assert [left.name for left in cache(home, "mnist").iterdir()] == [".lock"]


# Two data sets under the same names of files

OTHER_COUNTS = (10, 10, 10)


def known(
    monkeypatch: pytest.MonkeyPatch, server: Server, behaviour: data_helpers.Behaviour = data_helpers.good
) -> None:
    """Makes tiny data sets the known ones; Fashion-MNIST has as many examples of each class as no other."""
    fashion = dataclasses.replace(tiny_fashion(server, behaviour), train_counts=OTHER_COUNTS)
    for data_set in (tiny_cifar(), tiny_mnist(), fashion):
        monkeypatch.setitem(registry.DATA_SETS, data_set.name, data_set)


def fashion_contents() -> dict[str, bytes]:
    y = np.concatenate([np.repeat(np.arange(3), OTHER_COUNTS), Y[30:]])
    return idx_files(X, y)


def adopted(folder: Path, lines: list[str]) -> list[str]:
    pairs = loading.adopt_any(list(registry.DATA_SETS.values()), folder, lines.append)
    return [data_set.name for data_set, _ in pairs]


def test_another_data_set_under_the_same_names_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    known(monkeypatch, server)
    lines: list[str] = []
    assert adopted(write(home / "named", fashion_contents()), lines) == ["fashion-mnist"]
    write(home / "named" / "below", IDX_CONTENTS)
    assert adopted(home / "named", lines) == ["mnist", "fashion-mnist"]
    assert lines == []


def test_what_is_damaged_or_in_part_is_told_beside_what_was_adopted(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    known(monkeypatch, server)
    folder = write(home / "named", fashion_contents())
    write(folder / "a", {"mnist.npz": NPZ_CONTENT[:-1]})
    write(folder / "b", {name: b"" for name in batches(COLOUR_X, COLOUR_Y) if name != "data_batch_2"})
    lines: list[str] = []
    assert adopted(folder, lines) == ["fashion-mnist"]
    assert lines[0] == f"CIFAR-10 is skipped: '{folder / 'b'}' lacks data_batch_2"
    assert lines[1].startswith(f"MNIST is skipped: '{folder / 'a' / 'mnist.npz'}': it cannot be read")
    assert len(lines) == 2


def test_where_all_is_damaged_that_alone_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server, refused: Refused
) -> None:
    known(monkeypatch, server)
    damaged = fashion_contents()
    damaged["train-images-idx3-ubyte.gz"] = b"damaged"
    folder = write(home / "named", damaged)
    lines: list[str] = []
    message = refused(lambda: adopted(folder, lines), f"'{folder}' holds is not Fashion-MNIST, or is damaged")
    assert "not MNIST" not in message
    assert lines == []


def test_one_data_set_in_the_form_of_another_is_told_by_its_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server, refused: Refused
) -> None:
    known(monkeypatch, server)
    y = np.concatenate([np.repeat(np.arange(3), OTHER_COUNTS), Y[30:]])
    folder = write(home / "named", {"mnist.npz": npz(X, y)})
    refused(lambda: adopted(folder, []), "is not MNIST", "as many examples of each class as Fashion-MNIST")
    refused(
        lambda: loading.adopt(registry.DATA_SETS["mnist"], folder),
        "as many examples of each class as Fashion-MNIST",
        "name the data set that it is",
    )


def test_a_folder_with_nothing_whole_names_what_is_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server, refused: Refused
) -> None:
    known(monkeypatch, server)
    some = {name: content for name, content in batches(COLOUR_X, COLOUR_Y).items() if name != "test_batch"}
    folder = write(home / "named", some)
    message = refused(lambda: adopted(folder, []), f"only a part of CIFAR-10: '{folder}' lacks test_batch")
    assert "no files of" not in message
    both = [registry.DATA_SETS[name] for name in ("mnist", "cifar10")]
    message = loading.nothing_in(folder, both)
    assert "holds no files of MNIST, at most 5 levels deep, and only a part of CIFAR-10: " in message


def test_the_nearest_place_is_judged_by_labels_where_names_are_shared(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    known(monkeypatch, server)
    mnist, fashion = (registry.DATA_SETS[name] for name in ("mnist", "fashion-mnist"))
    folder = write(home / "named", fashion_contents() | {"train-images-idx3-ubyte.gz": b"not looked into"})
    monkeypatch.setenv("KIT_DATA", str(home / "named"))
    assert loading.nearest(mnist) is None
    assert getattr(loading.nearest(fashion), "path", None) == folder
    below = write(home / "named" / "below", {name: gzip.decompress(content) for name, content in IDX_CONTENTS.items()})
    assert getattr(loading.nearest(mnist), "path", None) == below
    for content in (b"", b"\x1f\x8b cut", gzip.compress(b"\0" * 1000)):
        (below / "t10k-labels-idx1-ubyte.gz").write_bytes(content)
        assert loading.nearest(mnist) is None


def test_another_data_set_where_one_is_looked_for_is_no_news(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    known(monkeypatch, server)
    folder = write(home / "named", fashion_contents())
    lines: list[str] = []
    message = failed(lambda: loading.load(registry.DATA_SETS["mnist"], folder, lines.append))
    assert f"Skipped: '{folder}': it has as many examples of each class as Fashion-MNIST" in message
    assert not [line for line in lines if "is skipped" in line]


# The public functions


@pytest.mark.parametrize(
    ("function", "name"),
    [(datasets.cifar10, "CIFAR10"), (datasets.mnist, "MNIST"), (datasets.fashion_mnist, "FASHION_MNIST")],
)
def test_a_public_function_loads_its_data_set(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: Server, function: Callable[..., Published], name: str
) -> None:
    data_set = {"CIFAR10": tiny_cifar(), "MNIST": tiny_mnist(), "FASHION_MNIST": tiny_fashion(server)}[name]
    monkeypatch.setattr(registry, name, data_set)
    colour = name == "CIFAR10"
    write(home / "named", batches(COLOUR_X, COLOUR_Y) if colour else IDX_CONTENTS)
    write(keras(home, "fashion-mnist"), dict.fromkeys(IDX_CONTENTS, b""))
    lines: list[str] = []
    check(function(home / "named", announce=lines.append), COLOUR_X if colour else X, COLOUR_Y if colour else Y)
    assert len(lines) == (name == "FASHION_MNIST")


def test_the_cache_is_where_kit_home_says(home: Path) -> None:
    assert places.cache_folder(tiny_mnist()) == cache(home, "mnist")
    assert files.cache_folder() == home / "KIT_HOME"
