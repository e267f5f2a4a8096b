# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
# timeout: 900
#
# Random sequences of writes, flushes, discards, write-zeroes, snapshots (with I/O
# in flight), views, clones, reverts, reloads, deactivation and activation; after
# each step every snapshot point is compared with a model, whole. REDO_SEED sets
# another first seed.

model=$TOP/build/tests/redo-model
[[ -x $model ]] || skip "no $model"
require_target redo

seed=${REDO_SEED:-1000}
if [[ $KERNEL == uml ]]; then
	seconds=7 steps=25
else
	seconds=4 steps=10
fi

# run <redo-model option>...: as many sequences as fit into the time
run() {
	local said
	said=$("$model" --seed "$seed" --sequences 20 --steps "$steps" --seconds "$seconds" "$@")
	echo "$said"
	note "${said#redo-model: }"
	seed=$((seed + 100))
}

run --grain 4K --size 16M
run --grain 4K --size 8M+3s --no-cache
run --grain 64K --size 12M+5s
run --grain 1M --size 16M+2049s
run --grain 4K --size 8M --mixed-grains --depth-max 10 --nodes-max 14
run --grain 4K --size 6M --spare 0 --journal 64
run --grain 4K --size 32M --every 4 --quiesced
