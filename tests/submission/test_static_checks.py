"""What is found in a submission's text, before anything of it is executed."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kit
from kit import methods
from kit.submission import backends, reaching, text_checks
from kit.submission import source as submission
from kit.submission.entry import resolve
from kit.submission.source import Source
from kit.types import BrokenSubmission

TEMPLATE = Path(kit.__file__).parent / "submission" / "template.py"
SOUND = "def unlearning(net, retain, forget, validation):\n    return net\n"
FOUR = "net, retain, forget, validation"


def source(text: str | bytes) -> Source:
    """A helper is not looked at."""
    content = text.encode() if isinstance(text, str) else text
    return Source("mine", "mine.py", {"mine.py": content, "other.py": b"1 +"})


class Method:
    def __call__(self, net: Any, retain: Any, forget: Any, validation: Any, *, epochs: int = 1) -> Any:
        return net


def plain(net: Any, retain: Any, forget: Any, validation: Any, *, epochs: int = 1) -> Any:
    return net  # a comment of plain


async def asynchronous(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
    return net


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*positional: Any, **named: Any) -> Any:
        return function(*positional, **named)

    return wrapper


# The text


def test_the_text_of_a_source_is_that_of_its_entry() -> None:
    assert text_checks.text_of(source(SOUND)) == SOUND


def test_bytes_that_are_no_utf8_do_not_stop_the_checks() -> None:
    assert text_checks.text_of(source(b"# caf\xe9\n" + SOUND.encode())) == "# caf\ufffd\n" + SOUND


def test_the_text_of_a_function_is_its_own_only() -> None:
    text = text_checks.text_of(plain)
    assert text is not None
    assert text.startswith("def plain(")
    assert text.endswith("# a comment of plain\n")


def test_the_text_of_a_nested_function_has_no_indentation() -> None:
    def nested(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return net

    text = text_checks.text_of(nested)
    assert text is not None
    assert text.startswith("def nested(")
    assert text_checks.parse_problem(text) == ""


def function_without_a_file() -> Callable[..., Any]:
    defined: dict[str, Any] = {}
    exec(SOUND, defined)
    function: Callable[..., Any] = defined["unlearning"]
    return function


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(function_without_a_file(), id="defined by exec"),
        pytest.param(functools.partial(plain), id="partial"),
        pytest.param(Method(), id="instance"),
        pytest.param(len, id="built-in"),
    ],
)
def test_some_functions_have_no_text(method: Callable[..., Any]) -> None:
    assert text_checks.text_of(method) is None


# Python or not


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(SOUND.encode(), id="ASCII"),
        pytest.param("x = '\u00e9\u6f22'\n".encode(), id="UTF-8"),
        pytest.param(b"\xef\xbb\xbfx = 1\n", id="UTF-8 with a byte order mark"),
        pytest.param(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", id="a declared encoding"),
        pytest.param(b"x = 1\r\ny = 2\r\n", id="Windows"),
    ],
)
def test_bytes_that_python_reads_are_fine(content: bytes) -> None:
    assert text_checks.encoding_problem(content) == ""


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x = '\xe9'\n", id="latin-1"),
        pytest.param(b"\n\n# caf\xe9\n", id="latin-1 in a comment"),
        pytest.param("x = 1\n".encode("utf-16"), id="UTF-16"),
        pytest.param(b"# coding: nonsense\n", id="an unknown encoding"),
        pytest.param(b"# coding: hex\nx = 1\n", id="an encoding that is none"),
    ],
)
def test_bytes_that_python_cannot_read_are_a_problem(content: bytes) -> None:
    message = text_checks.encoding_problem(content)
    assert message.isprintable()
    assert message.startswith("Python cannot read the file as text: ")
    assert message.endswith("Expected a Python file. Save it as UTF-8.")


@pytest.mark.parametrize(
    "text", ["", "# a comment only", SOUND, "x = '\u00e9\u6f22'\n", "async def f():\n    await g()\n"]
)
def test_python_parses(text: str) -> None:
    assert text_checks.parse_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("def unlearning(net:\n", 1, id="a bracket left open"),
        pytest.param("x = 1\n  y = 2\n", 2, id="an indentation too many"),
        pytest.param(SOUND + "\nprint 'done'\n", 4, id="Python 2"),
        pytest.param("x = 'open\n", 1, id="a string left open"),
        pytest.param("if x:\n\ty = 1\n        z = 2\n", 3, id="tabs and spaces"),
        pytest.param("x = " + "(" * 300 + ")" * 300, 1, id="brackets nested too deeply"),
    ],
)
def test_the_line_that_is_not_python_is_named(text: str, line: int) -> None:
    assert text_checks.parse_problem(text).startswith(f"Line {line} is not Python: ")


def test_without_a_line_none_is_named() -> None:
    assert text_checks.parse_problem("x = 1\0").startswith("The file is not Python: source code string cannot contain")


@pytest.mark.parametrize("text", ["x = 1\0", "-" * 100_000 + "1"], ids=["a null byte", "an endless expression"])
def test_what_the_parser_cannot_take_is_a_problem_and_no_crash(text: str) -> None:
    assert "is not Python: " in text_checks.parse_problem(text)


# The function


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SOUND, id="alone"),
        pytest.param("import numpy\n\ndef helper():\n    pass\n\n" + SOUND, id="after a helper"),
        pytest.param("@decorator(3)\n" + SOUND, id="decorated"),
        pytest.param("unlearning = None\n" + SOUND, id="after a variable"),
        pytest.param("class unlearning:\n    pass\n" + SOUND, id="after a class"),
        pytest.param("async " + SOUND + SOUND, id="after an async def"),
        pytest.param(SOUND + SOUND, id="twice"),
        pytest.param(SOUND + "x = unlearning\n", id="used after it"),
        pytest.param("def f():\n    def unlearning():\n        pass\n" + SOUND, id="beside a nested one"),
        pytest.param(SOUND + "f.unlearning = 3\nf['unlearning'] = 3\n", id="beside an attribute"),
    ],
)
def test_a_function_at_the_top_level_is_found(text: str) -> None:
    assert text_checks.definition_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("async " + SOUND, "'unlearning' is an 'async def'", id="async"),
        pytest.param("class unlearning:\n    pass\n", "'unlearning' is a class", id="class"),
        pytest.param("unlearning = lambda net: net\n", "'unlearning' is a variable", id="lambda"),
        pytest.param("unlearning = other = f\n", "'unlearning' is a variable", id="first of two targets"),
        pytest.param("other = unlearning = f\n", "'unlearning' is a variable", id="second of two targets"),
        pytest.param(SOUND + "unlearning = f(unlearning)\n", "'unlearning' is a variable", id="wrapped by hand"),
        pytest.param(SOUND + "class unlearning:\n    pass\n", "'unlearning' is a class", id="redefined as a class"),
        pytest.param(SOUND + "async " + SOUND, "'unlearning' is an 'async def'", id="redefined as async"),
    ],
)
def test_other_things_of_that_name_are_refused(text: str, what: str) -> None:
    message = text_checks.definition_problem(text)
    assert message.startswith(what)
    assert "Write it as a plain function." in message


INNER = textwrap.indent(SOUND, "    ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("if True:\n" + INNER, 2, id="if"),
        pytest.param("if x:\n    pass\nelse:\n" + INNER, 4, id="else"),
        pytest.param("try:\n" + INNER + "finally:\n    pass\n", 2, id="try"),
        pytest.param("\nwith x:\n" + INNER, 3, id="with"),
        pytest.param("def make():\n" + INNER + "    return unlearning\n", 2, id="function"),
        pytest.param("class Mine:\n" + INNER, 2, id="method of a class"),
        pytest.param("if True:\n    async def unlearning(): ...\n", 2, id="async"),
    ],
)
def test_a_function_inside_a_block_is_to_be_moved_out(text: str, line: int) -> None:
    message = text_checks.definition_problem(text)
    assert f"inside another block (line {line})" in message
    assert message.endswith("Move it out.")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param(SOUND.replace("unlearning", "unlearn"), "Rename 'unlearn'.", id="one function"),
        pytest.param("def f(): ...\ndef g(): ...\n", "'kit new FILE' writes a file to start from.", id="two functions"),
        pytest.param("", "'kit new FILE' writes a file to start from.", id="empty"),
        pytest.param("x = 'unlearning'\n# def unlearning\n", "'kit new FILE'", id="in a string and a comment"),
        pytest.param('"""\n' + SOUND + '"""\n', "'kit new FILE'", id="in a docstring"),
        pytest.param("unlearning(1)\n", "'kit new FILE'", id="called only"),
        pytest.param("Unlearning = 1\n", "'kit new FILE'", id="another case"),
    ],
)
def test_a_text_without_it_is_refused_with_a_hint(text: str, hint: str) -> None:
    message = text_checks.definition_problem(text)
    assert message.startswith("No function 'unlearning' is defined.")
    assert hint in message


# The parameters. What a text says and what the function made from it says must agree.

GOOD_PARAMETERS = [
    FOUR,
    f"{FOUR}, /",
    "net, retain, /, forget, validation",
    "net: object, retain: 'int', forget, validation",
    "net, retain, forget, validation=None",
    "net=1, retain=2, forget=3, validation=4",
    f"{FOUR}, *, epochs=3",
    f"{FOUR}, /, *, epochs=3, rate: float = 0.1",
    f"{FOUR}, *, epochs=None",
]
NAMES = "Its parameters are "
FURTHER = "It has the further parameters "
BAD_PARAMETERS = [
    ("", NAMES + "none."),
    ("net", NAMES + "net."),
    ("model, retain, forget, validation", NAMES + "model, retain, forget, validation."),
    ("net, forget, retain, validation", NAMES + "net, forget, retain, validation."),
    ("net, retain, forget", NAMES + "net, retain, forget."),
    ("self, net, retain, forget, validation", NAMES + "self, net, retain, forget, validation."),
    ("net, retain, forget, *, validation", NAMES + "net, retain, forget."),
    ("net, retain, forget, *validation", NAMES + "net, retain, forget, *validation."),
    ("*parts", NAMES + "*parts."),
    ("net, retain, forget, /, model", NAMES + "net, retain, forget, model."),
    (f"{FOUR}, epochs", FURTHER + "epochs."),
    (f"{FOUR}, epochs=3", FURTHER + "epochs."),
    (f"{FOUR}, epochs=3, *, rate", FURTHER + "epochs."),
    (f"{FOUR}, *rest", FURTHER + "*rest."),
    (f"{FOUR}, a, b=1, *rest", FURTHER + "a, b, *rest."),
    (f"{FOUR}, *rest, epochs=3", FURTHER + "*rest."),
    (f"{FOUR}, **named", "named. Expected further ones to be keyword-only."),
    (f"{FOUR}, *, epochs=3, **named", "named. Expected further ones to be keyword-only."),
    (f"{FOUR}, *, epochs", "The parameter epochs has no default."),
    (f"{FOUR}, *, epochs=3, rate", "The parameter rate has no default."),
    (f"{FOUR}, *, epochs, rate", "The parameters epochs, rate have no default."),
]


def from_text(parameters: str) -> str:
    return f"def unlearning({parameters}):\n    pass\n"


def from_function(parameters: str) -> Callable[..., Any]:
    defined: dict[str, Any] = {}
    exec(from_text(parameters), defined)
    function: Callable[..., Any] = defined["unlearning"]
    return function


both = pytest.mark.parametrize("define", [from_text, from_function], ids=["text", "function"])


@both
@pytest.mark.parametrize("parameters", GOOD_PARAMETERS)
def test_parameters_as_the_contract_has_them(define: Callable[[str], Any], parameters: str) -> None:
    assert text_checks.signature_problem(define(parameters)) == ""


@both
@pytest.mark.parametrize(("parameters", "what"), BAD_PARAMETERS)
def test_other_parameters_are_refused(define: Callable[[str], Any], parameters: str, what: str) -> None:
    assert what in text_checks.signature_problem(define(parameters))


def test_the_parameters_are_those_of_the_last_definition() -> None:
    wrong = "def unlearning(net): ...\n"
    assert text_checks.signature_problem(wrong + SOUND) == ""
    assert text_checks.signature_problem(SOUND + wrong).startswith("Its parameters are net.")
    assert text_checks.signature_problem(SOUND + "def f():\n    def unlearning(x): ...\n") == ""


def test_a_decorator_in_a_text_changes_nothing() -> None:
    assert text_checks.signature_problem("@keras.saving.register(1)\n" + SOUND) == ""


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(plain, id="function"),
        pytest.param(asynchronous, id="async function"),
        pytest.param(decorated(plain), id="decorated with functools.wraps"),
        pytest.param(Method(), id="instance"),
        pytest.param(Method().__call__, id="bound method"),
        pytest.param(lambda net, retain, forget, validation: net, id="lambda"),
        pytest.param(functools.partial(plain, epochs=2), id="partial"),
    ],
)
def test_callables_of_other_kinds(method: Callable[..., Any]) -> None:
    assert text_checks.signature_problem(method) == ""


def test_a_class_is_judged_by_its_constructor() -> None:
    class Model:
        def __init__(self, layers: int) -> None:
            pass

    assert text_checks.signature_problem(Model).startswith("Its parameters are layers.")


def test_a_partial_that_binds_a_positional_argument_is_refused() -> None:
    assert text_checks.signature_problem(functools.partial(plain, None)).startswith("Its parameters are retain,")


# The evaluation's data

REACHES = [
    ("import sklearn.datasets", "sklearn.datasets"),
    ("import sklearn.datasets as innocent", "sklearn.datasets"),
    ("import numpy, sklearn.datasets", "sklearn.datasets"),
    ("import sklearn.datasets._base", "sklearn.datasets._base"),
    ("from sklearn import datasets", "sklearn.datasets"),
    ("from sklearn import metrics, datasets as d", "sklearn.datasets"),
    ("from sklearn.datasets import load_wine", "sklearn.datasets"),
    ("from sklearn.datasets import *", "sklearn.datasets"),
    ("from sklearn.datasets._base import x", "sklearn.datasets._base"),
    ("import sklearn\nsklearn.datasets.load_wine()", "sklearn.datasets.load_wine"),
    ("import sklearn as s\ns.datasets.load_digits()", "load_digits"),
    ("load = sklearn.datasets.load_digits", "load_digits"),
    ("from keras import datasets", "keras.datasets"),
    ("import keras\nkeras.datasets.mnist", "keras.datasets.mnist"),
    ("from keras.datasets.mnist import load_data as innocent", "keras.datasets.mnist"),
    ("from tensorflow.keras.datasets import mnist", "tensorflow.keras.datasets"),
    ("from tensorflow.keras import datasets", "tensorflow.keras.datasets"),
    ("tf.keras.datasets.mnist.load_data()", "load_data"),
    ("import torchvision.datasets", "torchvision.datasets"),
    ("from kit import load_challenge", "load_challenge"),
    ("from kit import load_challenge as innocent", "load_challenge"),
    ("import kit\nkit.load_challenge('noisy-digits')", "load_challenge"),
    ("import kit as k\nload = k.load_challenge", "load_challenge"),
    ("from kit import challenges", "kit.challenges"),
    ("from kit.challenges import noisy_digits", "kit.challenges.noisy_digits"),
    ("from kit.challenges import catalogue", "kit.challenges.catalogue"),
    ("from kit.challenges.catalogue import CHALLENGES", "kit.challenges.catalogue.CHALLENGES"),
    ("import kit.datasets", "kit.datasets"),
    ("import kit.datasets as innocent", "kit.datasets"),
    ("from kit import datasets", "kit.datasets"),
    ("from kit import types, datasets as innocent", "kit.datasets"),
    ("from kit.datasets import loading, registry", "kit.datasets.loading"),
    ("from kit import *", "kit.*"),
    ("from kit.runs.originals import load", "kit.runs.originals.load"),
    ("import kit\nkit.runs.originals.load", "kit.runs.originals.load"),
    ("from kit.runs.run import Worker", "kit.runs.run.Worker"),
    ("from kit.runs import population, retrained", "kit.runs.population"),
    ("import kit.runs.retrained", "kit.runs.retrained"),
    ("from kit import unlearn", "kit.unlearn"),
    ("import kit\nkit.unlearn", "kit.unlearn"),
    ("import kit as k\nk.scorers.get", "kit.scorers.get"),
    ("import kit.toolbox\nkit.methods.get", "kit.methods.get"),
    ("from kit.methods import finetune", "kit.methods.finetune"),
    ("import kit\ngetattr(kit, name)", "kit"),
    ("import kit as k\nvars(k)", "kit"),
    ("importlib.import_module('kit.challenges')", "kit.challenges"),
    ("sys.modules['kit.runs.run']", "kit.runs.run"),
    ("import kit.scorers.accuracy", "kit.scorers.accuracy"),
    ("import kit.toolboxes", "kit.toolboxes"),
    ("from kit import evaluate_all", "evaluate_all"),
    ("kit.run_population()", "run_population"),
    ("from kit.storage.files import data_folder", "data_folder"),
    ("files.cache_folder()", "cache_folder"),
    ("path = 'runs/digits/3.npz'", "runs/"),
    ("path = f'{name}/oracle-{seed}'", "oracle"),
    ("path = 'or' 'acle'", "oracle"),
    ("open('/work/data/pretrained/x.npz')", "data/pretrained"),
    ("os.environ['KIT_HOME']", "KIT_HOME"),
    ("os.getenv('KERAS_HOME')", "KERAS_HOME"),
    ("open(r'/proc/self/maps')", "/proc/"),
    ("np.load(folder + '/outputs.npz')", "outputs.npz"),
    ("glob('/kaggle/input/**')", "/kaggle/input"),
    ("def f(x='oracle'):\n    pass", "oracle"),
    ("@cached('oracle')\ndef f():\n    pass", "oracle"),
    ("def f():\n    '''A docstring.'''\n    return 'oracle'", "oracle"),
    ("def f():\n    if x:\n        import sklearn.datasets", "sklearn.datasets"),
    ("lambda: kit.load_challenge", "load_challenge"),
    ("async def f():\n    from keras import datasets", "keras.datasets"),
    ("class C:\n    from kit import challenges", "kit.challenges"),
    ("match x:\n    case 'oracle':\n        pass", "oracle"),
    ("{'oracle': 1}", "oracle"),
]


@pytest.mark.parametrize(("text", "used"), REACHES, ids=[text.replace("\n", " / ") for text, _ in REACHES])
def test_reaching_for_evaluation_data_is_found(text: str, used: str) -> None:
    message = reaching.evaluation_data_problem(text)
    assert f"uses '{used}', which can lead to test data or retrained models." in message


@pytest.mark.parametrize("before", [0, 1, 7])
def test_its_line_is_named(before: int) -> None:
    message = reaching.evaluation_data_problem("x = 1\n" * before + "import sklearn.datasets\n")
    assert message.startswith(f"Line {before + 1} uses ")


INNOCENT = [
    "",
    SOUND,
    "# from sklearn.datasets import load_digits: the oracle is at /proc/\n",
    '"""Not the oracle, no sklearn.datasets, no KIT_HOME."""\n',
    "def f():\n    '''Is no oracle.'''\n",
    "async def f():\n    '''Is no oracle.'''\n",
    "class C:\n    '''Is no oracle.'''\n",
    "def f():\n    class C:\n        def g(self):\n            '''Is no oracle.'''\n",
    "x = 1\n'''The oracle, as a comment in the middle of a file.'''\n",
    "oracle = 1\noracle_of_delphi = oracle\n",
    "def oracle(oracle): return oracle.oracle\n",
    "self.oracle = f(oracle=1)\n",
    "x = 'Oracle'\n",
    "import sklearn\nimport sklearn.metrics\nfrom sklearn import metrics\n",
    "import sklearn.datasets_of_mine\n",
    "from keras import layers\nkeras.datasetsx.y\n",
    "mine.sklearn.datasets_\n",
    "import kit\nfrom kit import toolbox, types\nfrom kit.toolbox import losses\nimport kit.toolbox.training as t\n",
    "import kit\nkit.toolbox.training.fit(net)\nkit.types.Arrays(x, y)\n",
    "from kit.toolbox.examples import in_memory\nfrom kit.types import Recipe\n",
    "import kit\nkit.training.fit(net, retain, kit.Recipe(epochs=1))\n",  # by their public names
    "import kitchen.challenges\nkit_of_mine.challenges\nmine.kit.challenges\n",
    "open('kit')\nprint('kit. challenges', 'the kit.challenges', 'kit.')\n",
    "datasets = 3\nx.datasets = datasets\n",
    "from mine import datasets, load\n",
    "from . import challenges\nfrom .scorers import accuracy\nfrom .. import oracle\n",
    "import oracle\n",
    "x.load_data_of_mine()\nx.download_digits()\n",
    "tf.data.Dataset.from_tensor_slices((x, y)).batch(3)\n",
    "f'{oracle}'\n",
    "open('data/mine.npz')\nprint('processed', 'proc/')\n",
]


@pytest.mark.parametrize("text", INNOCENT, ids=[text.strip().replace("\n", " / ") or "empty" for text in INNOCENT])
def test_innocent_texts_are_not_warned_of(text: str) -> None:
    assert reaching.evaluation_data_problem(text) == ""


# Bound to one backend

BOUND = {
    "import tensorflow as tf\n\ntape = tf.GradientTape()": ("tensorflow", "tensorflow.GradientTape", 3),
    "import tensorflow\n@tensorflow.function\ndef f(): ...": ("tensorflow", "tensorflow.function", 2),
    "from tensorflow import keras, Variable": ("tensorflow", "tensorflow.Variable", 1),
    "def f():\n    import jax.numpy as jnp": ("jax", "jax.numpy", 2),
    "from optax import adam": ("jax", "optax.adam", 1),
    "import numpy\nimport torch": ("torch", "torch", 2),
    "import tensorflow as tf\nimport jax\ntf.GradientTape()": ("jax", "jax", 2),
}
UNBOUND = [
    SOUND,
    TEMPLATE.read_text(),
    "import tensorflow as tf\nretain.map(lambda x, y: (tf.cast(x, tf.float32), y))",
    "import jaxtyping\nfrom . import torch\nfrom kit.toolbox import training\ntf.GradientTape",
]


@pytest.mark.parametrize("text", BOUND)
def test_what_binds_a_text_to_a_backend_is_named(text: str) -> None:
    bound = backends.binding(text)
    assert bound == BOUND[text]
    assert backends.backend_problem(bound, bound.backend) == ""
    problem = backends.backend_problem(bound, "another")
    assert problem.startswith(f"Line {bound.line} uses '{bound.name}'")
    assert ("--backend" in problem) == (bound.backend != "torch")


@pytest.mark.parametrize("text", UNBOUND)
def test_plain_keras_is_bound_to_none(text: str) -> None:
    assert backends.binding(text) is None


def test_a_helper_binds_its_submission(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from helper import step\n" + SOUND)
    (tmp_path / "helper.py").write_text("import jax\n")
    bound = backends.binding_of(submission.read_source(tmp_path / "mine.py"))
    assert bound is not None
    assert bound.backend == "jax"


# All of it

# A submission has no training of the original of its own, and may not read how the original was trained.
SUBMISSIONS = [name for name in methods.names() if name != "retrain" and not methods.trains_its_own(name)]


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_the_methods_of_the_kit_pass(name: str) -> None:
    built_in = resolve(name).as_source()
    text_checks.require(built_in)
    text = text_checks.text_of(built_in)
    assert text is not None
    assert reaching.evaluation_data_problem(text, built_in.modules) == ""


@pytest.mark.parametrize(
    "text", [SOUND, "@decorator\n" + SOUND, "1 / 0\n" + SOUND, "import sklearn.datasets\n" + SOUND]
)
def test_what_is_required_is_the_contract_only(text: str) -> None:
    text_checks.require(source(text))


@pytest.mark.parametrize(
    ("text", "check"),
    [
        pytest.param("def unlearning(:\n", "parses", id="no Python"),
        pytest.param(b"# caf\xe9\n" + SOUND.encode(), "parses", id="no UTF-8"),
        pytest.param("", "defines_unlearning", id="empty"),
        pytest.param("unlearning = 3\n", "defines_unlearning", id="a variable"),
        pytest.param("if x:\n" + INNER, "defines_unlearning", id="conditional"),
        pytest.param("def unlearning(net): ...\n", "signature", id="one parameter"),
        pytest.param(from_text(f"{FOUR}, *, epochs"), "signature", id="no default"),
    ],
)
def test_what_does_not_hold_it_is_refused_under_the_checks_name(text: str | bytes, check: str) -> None:
    with pytest.raises(BrokenSubmission) as caught:
        text_checks.require(source(text))
    assert caught.value.check == check
    assert str(caught.value).startswith("'mine.py': ")
    assert "Expected" in str(caught.value)
