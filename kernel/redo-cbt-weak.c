// SPDX-License-Identifier: GPL-2.0
/* The store until it is there: each of these goes as soon as there is one that works. */
#include <linux/err.h>
#include "redo-cbt.h"

int __weak redo_cbt_probe(struct block_device *bdev) { return -EOPNOTSUPP; }
int __weak redo_cbt_format(struct block_device *bdev, u32 bs, u64 vs) { return -EOPNOTSUPP; }
struct redo_cbt * __weak redo_cbt_open(struct block_device *bdev, const struct redo_cbt_ops *ops,
				       void *owner) { return ERR_PTR(-EOPNOTSUPP); }
int __weak redo_cbt_start(struct redo_cbt *cbt, bool rebuild) { return -EUCLEAN; }
int __weak redo_cbt_close(struct redo_cbt *cbt, u64 g) { return -EUCLEAN; }
void __weak redo_cbt_free(struct redo_cbt *cbt) { }
void __weak redo_cbt_set_owner(struct redo_cbt *cbt, void *owner) { }
bool __weak redo_cbt_admit_slow(struct redo_cbt *cbt, u64 first, u64 last) { return true; }
void __weak redo_cbt_hold(struct redo_cbt *cbt, struct bio *bio, sector_t s, sector_t e) { }
void __weak redo_cbt_close_writes(struct redo_cbt *cbt) { }
void __weak redo_cbt_open_writes(struct redo_cbt *cbt) { }
void __weak redo_cbt_take_held(struct redo_cbt *cbt, struct bio_list *bios) { }
int __weak redo_cbt_next_epoch(struct redo_cbt *cbt, const struct redo_cbt_begin *b, u64 *n)
{ return -EUCLEAN; }
int __weak redo_cbt_settle(struct redo_cbt *cbt, bool explicit) { return -EUCLEAN; }
void __weak redo_cbt_kick(struct redo_cbt *cbt) { }
int __weak redo_cbt_set_link(struct redo_cbt *cbt, const u8 *u, u64 g) { return -EUCLEAN; }
int __weak redo_cbt_set_alt(struct redo_cbt *cbt, const u8 *u) { return -EUCLEAN; }
int __weak redo_cbt_set_base_epoch(struct redo_cbt *cbt, u64 e) { return -EUCLEAN; }
int __weak redo_cbt_forget(struct redo_cbt *cbt, u64 upto) { return -EUCLEAN; }
int __weak redo_cbt_resize(struct redo_cbt *cbt, u64 vs) { return -EUCLEAN; }
int __weak redo_cbt_mark_range(struct redo_cbt *cbt, sector_t s, sector_t e) { return -EUCLEAN; }
int __weak redo_cbt_unsettled(struct redo_cbt *cbt, struct redo_cbt_unsettled *l, int m)
{ return 0; }
int __weak redo_cbt_rebuild_mark(struct redo_cbt *cbt, u64 e, sector_t s, sector_t t)
{ return -ENOENT; }
int __weak redo_cbt_rebuild_done(struct redo_cbt *cbt, u64 e) { return -ENOENT; }
int __weak redo_cbt_query(struct redo_cbt *cbt, u64 from, u64 to, sector_t s, sector_t e,
			  redo_cbt_emit_fn emit, void *ctx, sector_t *next) { return -EUCLEAN; }
int __weak redo_cbt_list(struct redo_cbt *cbt, u64 from, redo_cbt_item_fn item, void *ctx)
{ return -EUCLEAN; }
int __weak redo_cbt_drop(struct redo_cbt *cbt, u64 id) { return -EUCLEAN; }
void __weak redo_cbt_info(struct redo_cbt *cbt, struct redo_cbt_info *info)
{ memset(info, 0, sizeof(*info)); info->state = REDO_CBT_ST_BROKEN; }
u64 __weak redo_cbt_generation(struct redo_cbt *cbt) { return 0; }
void __weak redo_cbt_break(struct redo_cbt *cbt, enum redo_cbt_reason reason) { }
int __weak redo_cbt_module_init(void) { return 0; }
void __weak redo_cbt_module_exit(void) { }
