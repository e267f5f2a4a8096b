# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12 kcsan
# timeout: 900
#
# The random sequences of 100-model, of chains whose changed blocks are tracked: marks,
# reverts at work and not, clones with trackers of their own, stores that run full,
# crashes, tracking that ends and begins anew. After each step, for every two change ids: no
# block that differs is missed, and none is named that was not written to. REDO_SEED sets
# another first seed.

model=$TOP/build/tests/redo-model
[[ -x $model ]] || skip "no $model"
require_target redo

seed=${REDO_SEED:-5000}
steps=16 of=3
[[ $KERNEL != uml ]] || steps=12 of=1

echo 1 > /sys/kernel/rcu_expedited
defer eval 'echo 0 > /sys/kernel/rcu_expedited'

# What the answers are compared with is tested first.
"$model" --self-test

# run <sequences> <redo-model option>...
run() {
	local said n=$((($1 + of - 1) / of))
	shift
	[[ $KERNEL != kcsan ]] || n=2
	said=$("$model" --cbt --seed "$seed" --sequences "$n" --steps "$steps" "$@")
	echo "$said"
	note "${said#redo-model: }"
	seed=$((seed + 100))
}

run 6 --grain 4K --size 4M
run 4 --grain 4K --size 1M+3s --no-cache
run 4 --grain 64K --size 3M+5s
run 4 --grain 4K --size 2M --mixed-grains --depth-max 8
run 2 --grain 4K --size 2M --cbt-block 4K --ids 4 --every 3
