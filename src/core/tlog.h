/*-------------------------------------------------------------------------
 *
 * tlog.h
 *	  The Merkle tree of RFC 6962: grown leaf by leaf, proved, and proofs of it
 *	  checked.
 *
 * The hash of an entry is H(0x00 || entry), of a node H(0x01 || left || right),
 * of the empty tree H().  A tree and whatever a proof is made of come down to
 * complete subtrees, of which a node is the root.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_TLOG_H
#define RUNLINK_TLOG_H

#include "core/sha256.h"

/* A tree of size leaves: the roots of its complete subtrees, largest first. */
typedef struct MerkleTree
{
	uint64		size;
	uint8		subtree[64][SHA256_BYTES];
} MerkleTree;

/* A tree of this size at most: its proofs and nodes fit. */
#define LARGEST_TREE ((uint64) PG_INT64_MAX)

/* A complete subtree: over the 2^level leaves from position * 2^level on. */
typedef struct MerkleNode
{
	int			level;
	uint64		position;
} MerkleNode;

/* The leaves from first on, before end: what a hash of a proof is over. */
typedef struct MerkleRange
{
	uint64		first;
	uint64		end;
} MerkleRange;

#define MOST_RANGES 64			/* of a proof */
#define MOST_NODES 64			/* of a range */

typedef void (*TellNode) (void *sink, const MerkleNode *node, const uint8 hash[SHA256_BYTES]);

extern void merkle_begin(MerkleTree *tree);
extern void merkle_add(MerkleTree *tree, const uint8 leaf[SHA256_BYTES]);
extern void merkle_add_and_tell(MerkleTree *tree, const uint8 leaf[SHA256_BYTES],
								TellNode tell, void *sink);
extern void merkle_root(const MerkleTree *tree, uint8 root[SHA256_BYTES]);

extern int	merkle_inclusion_ranges(uint64 index, uint64 size, MerkleRange ranges[MOST_RANGES]);
extern int	merkle_consistency_ranges(uint64 old_size, uint64 size,
									  MerkleRange ranges[MOST_RANGES]);
extern int	merkle_range_nodes(MerkleRange range, MerkleNode nodes[MOST_NODES]);
extern void merkle_join(const uint8 (*hashes)[SHA256_BYTES], int count, uint8 root[SHA256_BYTES]);

extern bool merkle_inclusion_ok(const uint8 leaf[SHA256_BYTES], uint64 index, uint64 size,
								const uint8 (*proof)[SHA256_BYTES], int count,
								const uint8 root[SHA256_BYTES]);
extern bool merkle_consistency_ok(uint64 old_size, uint64 new_size,
								  const uint8 old_root[SHA256_BYTES],
								  const uint8 new_root[SHA256_BYTES],
								  const uint8 (*proof)[SHA256_BYTES], int count);

#endif							/* RUNLINK_TLOG_H */
