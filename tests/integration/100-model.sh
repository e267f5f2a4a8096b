# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
# timeout: 900
#
# Random sequences of writes, flushes, discards, write-zeroes, snapshots (with I/O
# in flight), views, clones, reverts, reloads, deactivation and activation, crashes, and
# merges of every kind that go on meanwhile; after each step every snapshot point is
# compared with a model, whole. REDO_SEED sets another first seed.

model=$TOP/build/tests/redo-model
[[ -x $model ]] || skip "no $model"
require_target redo

seed=${REDO_SEED:-1000}
# Most are done where KASAN watches; together they are to be 300 at least.
steps=10 of=6
[[ $KERNEL != uml ]] || steps=7 of=1

# Each view and each table waits for grace periods.
echo 1 > /sys/kernel/rcu_expedited
defer eval 'echo 0 > /sys/kernel/rcu_expedited'

# run <sequences> <redo-model option>...
run() {
	local said n=$((($1 + of - 1) / of))
	shift
	[[ $KERNEL != kcsan ]] || n=2
	said=$("$model" --seed "$seed" --sequences "$n" --steps "$steps" "$@")
	echo "$said"
	note "${said#redo-model: }"
	seed=$((seed + 100))
}

run 44 --grain 4K --size 4M
run 44 --grain 4K --size 1M+3s --no-cache
run 38 --grain 64K --size 3M+5s
run 34 --grain 1M --size 4M+2049s
run 36 --grain 4K --size 2M --mixed-grains --depth-max 10 --nodes-max 14
run 33 --grain 4K --size 5M --spare 0 --journal 64
run 2 --grain 4K --size 16M --every 4 --quiesced
