/*-------------------------------------------------------------------------
 *
 * tlog.h
 *	  The Merkle tree of RFC 6962, grown leaf by leaf.
 *
 * The hash of an entry is H(0x00 || entry), of a node H(0x01 || left || right),
 * of the empty tree H().
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

extern void merkle_begin(MerkleTree *tree);
extern void merkle_add(MerkleTree *tree, const uint8 leaf[SHA256_BYTES]);
extern void merkle_root(const MerkleTree *tree, uint8 root[SHA256_BYTES]);

#endif							/* RUNLINK_TLOG_H */
