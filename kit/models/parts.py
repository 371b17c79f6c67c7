"""Of what a stranger's model may consist: layers, operations and small parts of Keras's that compute, and nothing else.

A list of what is allowed, by module and name: Keras looks up what a file names, and among all that it finds are parts
that run code, read files or change settings (`Lambda`, `TFSMLayer`, `StringLookup` with the path of a file of words,
`keras.config.set_floatx` as an activation). What is new in Keras is refused until it is added here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_DEPTH, MOST_PARTS = 100, 100_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = _names(
    """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
    AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
    Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D
    Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU
    EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell LayerNormalization LeakyReLU
    Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention Multiply Normalization
    PReLU Permute RMSNormalization RNN RandomBrightness RandomContrast RandomCrop RandomFlip RandomRotation
    RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D
    SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
    StackedRNNCells Subtract ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D
    UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)
_OF_NUMPY = _names(
    """
    Absolute Add Amax Amin Append Arccos Arcsin Arctan Argmax Argmin Average BroadcastTo Ceil Clip Concatenate
    Copy Cos Cosh Cumprod Cumsum Divide Dot Einsum Equal Exp ExpandDims Expm1 Flip Floor FloorDivide GetItem
    Greater GreaterEqual Less LessEqual Log Log10 Log1p Log2 LogicalAnd LogicalNot LogicalOr Matmul Max
    Maximum Mean Min Minimum Mod Moveaxis Multiply Negative NotEqual OnesLike Outer Pad Power Prod Ravel
    Reciprocal Repeat Reshape Roll Round Sign Sin Sinh Sort Split Sqrt Square Squeeze Stack Std Subtract Sum
    Swapaxes Take TakeAlongAxis Tan Tanh Tensordot Tile Transpose TrueDivide Var Where ZerosLike
    """
)
_OF_NN = _names(
    """
    AveragePool Elu Gelu HardSigmoid HardSilu LeakyRelu LogSigmoid LogSoftmax MaxPool Normalize OneHot Relu
    Relu6 Selu Sigmoid Silu Softmax Softplus Softsign
    """
)
_INITIALIZERS = _names(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal
    LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal
    VarianceScaling Zeros
    """
)
_ACTIVATIONS = _names(
    """
    celu elu exponential gelu glu hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign squareplus swish tanh
    """
)
_CLASSES: Mapping[str, frozenset[str]] = {
    "keras": frozenset({"DTypePolicy", "Functional", "Model", "Sequential"}),
    "keras.models": frozenset({"Functional", "Model", "Sequential"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.dtype_policies": frozenset({"DTypePolicy", "FloatDTypePolicy"}),
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.src.layers.preprocessing.feature_space": frozenset({"TFDConcat", "TFDIdentity"}),
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.ops.numpy": _OF_NUMPY,
    "keras.src.ops.nn": _OF_NN,
    "kit.models.layers": frozenset(
        {
            "AveragedProbabilities",
            "Columns",
            "FusedBatchNormalization",
            "LogOdds",
            "LogOddsOfParts",
            "PaddedConv2D",
            "Unchanged",
        }
    ),
}
# Layers that look words up: in a list, and never in a file, whose path they would take too.
_LOOKUPS = _names("HashedCrossing Hashing IntegerLookup StringLookup TextVectorization")
_OF_FUNCTIONS = ("builtins", "keras.activations", "keras.src.activations.activations")
# What a model was compiled with: never looked up, see `without_training`.
_TRAINING = "compile_config"
# Values that JSON does not have.
_VALUES = frozenset({"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"})


class Refused(ValueError):
    """A file is not loaded; the text is half a sentence that says what is in it."""


def without_training(description: Any) -> Any:
    """Returns a checked description without what the model was compiled with, at every depth.

    Example:
        >>> without_training({"config": {}, "compile_config": {"optimizer": "adam"}})
        {'config': {}}
    """
    if isinstance(description, dict):
        return {name: without_training(part) for name, part in description.items() if name != _TRAINING}
    return [without_training(part) for part in description] if isinstance(description, list) else description


def check(description: Any) -> None:
    """Checks that a model's description, as `json.loads` returns it, names allowed parts only, and not too many.

    What the model was compiled with is passed over: `without_training` leaves it out.

    Raises:
        Refused: it names another, is nested too deeply, or has too many parts.

    Example:
        >>> check({"module": "keras.layers", "class_name": "Dense", "config": {"units": 3, "activation": "relu"}})
        >>> check({"module": "keras.layers", "class_name": "Lambda", "config": {}})
        Traceback (most recent call last):
        kit.models.parts.Refused: it holds a 'Lambda' of 'keras.layers', which is not among the parts that are loaded
    """
    if not isinstance(description, dict):
        raise Refused("its description is no object")
    waiting: list[tuple[dict[str, Any] | list[Any], int]] = [(description, 1)]
    number = 0
    while waiting:
        part, depth = waiting.pop()
        number += 1
        if depth > MOST_DEPTH or number > MOST_PARTS:
            what = (
                f"is nested deeper than {MOST_DEPTH}" if depth > MOST_DEPTH else f"has more than {MOST_PARTS:,} parts"
            )
            raise Refused(f"its description {what}")
        if isinstance(part, dict):
            if "class_name" in part or "spec_name" in part:
                _check_class(part)
            inner = [value for key, value in part.items() if key != _TRAINING]
        else:
            inner = part
        waiting += [(value, depth + 1) for value in inner if isinstance(value, dict | list)]


def _check_class(part: Mapping[str, Any]) -> None:
    name, module = part.get("class_name"), part.get("module")
    registered = part.get("registered_name")
    _check_name(part)
    if name == "function":
        allowed = part.get("config") in _ACTIVATIONS if isinstance(part.get("config"), str) else False
        allowed = allowed and module in _OF_FUNCTIONS and registered in (None, "function", part["config"])
    elif isinstance(name, str) and name in _VALUES:
        allowed = True
    else:
        known = isinstance(module, str) and isinstance(name, str) and name in _CLASSES.get(module, frozenset())
        known = known or (
            module == "keras.layers" and isinstance(name, str) and name in _LOOKUPS and _lists_words(part)
        )
        allowed = known and registered in (None, name, f"kit>{name}")
    if not allowed:
        named = part.get("config") if name == "function" else name
        raise Refused(f"it holds a {_shown(named)} of {_shown(module)}, which is not among the parts that are loaded")


def _check_name(part: Mapping[str, Any]) -> None:
    """Checks what a layer is called: files and groups of a saved model have that name."""
    config = part.get("config")
    names = [part.get("name"), config.get("name") if isinstance(config, dict) else None]
    for name in names:
        if isinstance(name, str) and (name in (".", "..") or not name.isprintable() or {*"/\\"} & {*name}):
            raise Refused(f"it has a layer called {_shown(name)}, which is no name but a path")


def _lists_words(part: Mapping[str, Any]) -> bool:
    config = part.get("config")
    return isinstance(config, dict) and all(
        config.get(key) is None or isinstance(config[key], list | dict) for key in ("vocabulary", "idf_weights")
    )


def _shown(value: Any) -> str:
    return repr(value)[:60]
