# Everything runs in a virtual environment of its own. On Windows, or without make: see the README's plain commands.
PYTHON ?= python3
PYTHON_LOWEST ?= python3.11
PYTHON_HIGHEST ?= python3.13
# A file of tests stays in one process, which shares its fixtures. 'make test PARALLEL=' goes one by one.
PARALLEL ?= -n logical --dist loadfile --no-loadscope-reorder

# A virtual environment that has the libraries of .venv too, but not the kit, which lies there as a link to this folder.
PURELIB = -c "import sysconfig; print(sysconfig.get_path('purelib'))"
beside = .venv/bin/python -m venv $(1) && .venv/bin/python $(PURELIB) > $$($(1)/bin/python $(PURELIB))/libraries.pth

.PHONY: run quick test test-slow test-processors test-first-processor test-second-processor test-torch test-jax check test-lowest test-highest test-wheel test-colab docs kaggle-package notebooks benchmarks results readme pretrained clean

run: .venv/.runtime
	.venv/bin/kit run finetune

# Whether an installation works, in a minute: the whole workflow, in a folder that is thrown away, and quick tests.
QUICK = tests/types tests/test_rules.py tests/scorers/test_forgetting.py tests/toolbox/test_losses.py
quick: .venv/.dev
	folder=$$(mktemp -d) && .venv/bin/kit run finetune --quiet --out $$folder; status=$$? ; rm -rf $$folder ; exit $$status
	.venv/bin/python -m pytest $(QUICK)
	@echo "The installation works. What the run wrote was in a temporary folder, and is gone."

test: .venv/.dev
	.venv/bin/python -m pytest $(PARALLEL)

# What 'make test' leaves out: most bad submissions, attacks on the sandbox (needs bubblewrap), long populations.
test-slow: .venv/.dev
	.venv/bin/python -m pytest $(PARALLEL) -m slow

# What is computed, on processors that this one can pass for: other instructions give other last bits. The first has
# neither oneDNN nor what NumPy and OpenBLAS do with more than SSE3, the second no instructions of oneDNN's beyond AVX.
# NumPy refuses names of instructions that the processor lacks, so it is asked which there are. A test that counts or
# parses learns nothing here. Tests in half precision are skipped on the second: TensorFlow ends their process.
ON_FIRST ?= $(patsubst %,kit/%,methods models probes scorers tasks toolbox) tests/scorers tests/tasks tests/test_traps.py \
	tests/toolbox/test_optimizers.py tests/methods/test_certificates.py
ON_SECOND ?= $(patsubst %,tests/toolbox/test_%.py,gradients losses training) tests/models/test_layers.py \
	$(patsubst %,tests/methods/test_%.py,influence method_oracles)
NUMPY_HAS = .venv/bin/python -c "from numpy._core import _multiarray_umath as m; print(*(name for name in m.__cpu_dispatch__ if m.__cpu_features__[name]))"
test-processors: test-first-processor test-second-processor
test-first-processor: .venv/.dev
	TF_ENABLE_ONEDNN_OPTS=0 OPENBLAS_CORETYPE=Nehalem NPY_DISABLE_CPU_FEATURES="$$($(NUMPY_HAS))" \
		.venv/bin/python -m pytest $(PARALLEL) $(ON_FIRST)
test-second-processor: .venv/.dev
	ONEDNN_MAX_CPU_ISA=AVX OPENBLAS_CORETYPE=Sandybridge \
		.venv/bin/python -m pytest $(PARALLEL) $(ON_SECOND)

check: .venv/.dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Against PyTorch, which 'make test' does without: there these tests are skipped, here they fail if it is missing. One
# version; the index https://download.pytorch.org/whl/cpu has builds without CUDA:
# make test-torch TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
test-torch: .venv-torch/.torch
	KIT_REQUIRE_TORCH=1 .venv-torch/bin/python -m pytest $(if $(PARALLEL),-n logical --dist worksteal) -m torch tests/models tests/commands/test_weight_commands.py

# The oldest and the newest pair of TensorFlow and Keras that the kit supports; there, and on Colab's, forged models are
# tried in full: what a file can have Keras do differs from version to version.
FORGED = -m pytest -m "" tests/models/test_strangers_models.py
test-lowest: .venv-lowest/.dev
	.venv-lowest/bin/python -m pytest $(PARALLEL)
	.venv-lowest/bin/python $(FORGED)

test-highest: .venv-highest/.dev
	.venv-highest/bin/python -m pytest $(PARALLEL)
	.venv-highest/bin/python $(FORGED)

# Colab's own versions (seen in August 2026), with the wheel uploaded beside a notebook: its first cell takes the wheel
# and changes nothing else, then the notebook runs.
COLAB = tensorflow==2.20.* keras==3.13.2 numpy==2.1.3 scikit-learn==1.6.1 setuptools==75.2.0
test-colab: .venv-colab/.colab kaggle-package
	.venv-colab/bin/python tests/colab.py dist/kaggle/data-set
	.venv-colab/bin/python $(FORGED)

# Keras on JAX, in an environment without TensorFlow: the libraries of .venv, but that one.
test-jax: .venv-jax/.jax
	KERAS_BACKEND=jax KIT_WITHOUT_TENSORFLOW=1 .venv-jax/bin/python -m pytest $(PARALLEL) tests/jax

# An installed wheel, in an empty folder: does it carry its data along? The libraries are those of .venv, the kit is not.
test-wheel: .venv/.dev
	rm -rf build dist .venv-wheel
	.venv/bin/python -m build --wheel --outdir dist . >/dev/null
	$(call beside,.venv-wheel)
	.venv-wheel/bin/python -m pip install --quiet --no-deps dist/*.whl
	folder=$$(mktemp -d) && cp tests/conftest.py tests/runs/test_pretrained.py $$folder && python=$$PWD/.venv-wheel/bin/python \
		&& cd $$folder && $$python -m pytest -q -W error -m "not slow" . && $$python -m kit run finetune --out runs && $$python -m kit leaderboard runs --html board.html && $$python -m kit list methods; \
		status=$$? ; rm -rf $$folder ; exit $$status

# The documentation, in build/docs: begin at index.html. Warnings are errors; no notebook is executed, nothing fetched.
docs: .venv/.dev
	.venv/bin/python -m sphinx -q -n -W --keep-going -c docs . build/docs

# What a Kaggle notebook without internet attaches, in dist/kaggle; OWNER is your name there.
OWNER ?= INSERT_USERNAME_HERE
kaggle-package: .venv/.dev
	rm -rf build/lib dist/*.whl
	.venv/bin/python -m build --wheel --no-isolation --outdir dist . >/dev/null
	.venv/bin/python notebooks/kaggle.py dist/*.whl dist/kaggle --owner $(OWNER)

# Executes the sources and writes the .ipynb files that Colab and Kaggle open.
notebooks: .venv/.dev
	.venv/bin/python notebooks/generate.py

benchmarks: .venv/.runtime
	.venv/bin/python -m benchmarks.startup
	.venv/bin/python -m benchmarks.memorisation
	.venv/bin/python -m benchmarks.training_loop
	.venv/bin/python -m benchmarks.containment
	.venv/bin/python -m benchmarks.population
	.venv/bin/python -m benchmarks.evaluate
	.venv/bin/python -m benchmarks.metric
	.venv/bin/python -m benchmarks.scoring
	.venv/bin/python -m benchmarks.engines
	.venv/bin/python -m benchmarks.precision
	.venv/bin/python -m benchmarks.cifar10_small
	.venv/bin/python -m benchmarks.methods

# Evaluates every method (forty minutes on two cores), keeps the reports in data/results/ and writes the tables of docs/methods.md.
results: .venv/.dev
	.venv/bin/python -m benchmarks.results
	.venv/bin/python -m benchmarks.update_readme methods

# Writes what these commands print into README.md and docs/.
readme: .venv/.dev
	.venv/bin/python -m benchmarks.update_readme

# Retrains the shipped originals from scratch and says whether they match.
pretrained: .venv/.runtime
	for name in noisy-digits digits mnist-five fashion-mnist; do .venv/bin/python -m kit pretrain $$name || exit 1; done

clean:
	rm -rf .venv .venv-lowest .venv-highest .venv-torch .venv-jax .venv-wheel .venv-colab build dist *.egg-info

.venv/.python:
	$(PYTHON) -c "import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(None if ok else 'Error: this is Python %d.%d, and TensorFlow needs 3.11 to 3.13. Name another one: make PYTHON=python3.12 ...' % sys.version_info[:2])"
	$(PYTHON) -m venv .venv
	touch $@

.venv/.runtime: requirements.txt pyproject.toml | .venv/.python
	.venv/bin/python -m pip install --disable-pip-version-check --editable .
	touch $@

# What '.venv/.runtime' has, too. Another installer knows nothing of pip's own configuration, of a mirror say: it is asked for.
INSTALL ?= .venv/bin/python -m pip install --disable-pip-version-check
.venv/.dev: requirements.txt pyproject.toml | .venv/.python
	$(INSTALL) --editable ".[dev,docs]"
	touch .venv/.runtime $@

.venv-torch/.torch: .venv/.dev
	$(call beside,.venv-torch)
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	touch $@

.venv-jax/.jax: .venv/.dev
	rm -rf .venv-jax && .venv/bin/python -m venv .venv-jax
	from=$$(.venv/bin/python $(PURELIB)) && to=$$(.venv-jax/bin/python $(PURELIB)) && for part in "$$PWD"/$${from#$$PWD/}/*; do \
		case "$${part##*/}" in tensorflow*|tensorboard*|pip|pip-*|setuptools*|pkg_resources|_distutils_hack|__pycache__) ;; *) ln -sf "$$part" "$$to";; esac; done
	touch $@

.venv-colab/.colab: requirements.txt
	$(PYTHON_HIGHEST) -m venv .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check --upgrade $(COLAB) -r requirements.txt ipykernel nbclient jax pytest hypothesis
	touch $@

.venv-lowest/.dev: requirements.txt pyproject.toml
	$(PYTHON_LOWEST) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]" "tensorflow==2.18.*" "keras==3.10.*"
	touch $@

.venv-highest/.dev: requirements.txt pyproject.toml
	$(PYTHON_HIGHEST) -m venv .venv-highest
	.venv-highest/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]" "tensorflow==2.21.*" "keras==3.15.*"
	touch $@
