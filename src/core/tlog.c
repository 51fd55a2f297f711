/*-------------------------------------------------------------------------
 *
 * tlog.c
 *	  The Merkle tree of RFC 6962.  See tlog.h.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tlog.h"

#include "port/pg_bitutils.h"

#define MERKLE_NODE 0x01

static void
hash_children(const uint8 *left, const uint8 *right, uint8 *node)
{
	uint8		children[1 + 2 * SHA256_BYTES];

	children[0] = MERKLE_NODE;
	memcpy(children + 1, left, SHA256_BYTES);
	memcpy(children + 1 + SHA256_BYTES, right, SHA256_BYTES);
	sha256_bytes(children, sizeof(children), node);
}

void
merkle_begin(MerkleTree *tree)
{
	tree->size = 0;
}

/* Adds a leaf, given by its hash. */
void
merkle_add(MerkleTree *tree, const uint8 leaf[SHA256_BYTES])
{
	int			last = pg_popcount64(tree->size);

	memcpy(tree->subtree[last], leaf, SHA256_BYTES);
	for (uint64 full = tree->size; full & 1; full >>= 1, last--)
		hash_children(tree->subtree[last - 1], tree->subtree[last], tree->subtree[last - 1]);
	tree->size++;
}

/* Gives the root, MTH of RFC 6962. */
void
merkle_root(const MerkleTree *tree, uint8 root[SHA256_BYTES])
{
	int			last = pg_popcount64(tree->size) - 1;

	if (last < 0)
	{
		sha256_bytes("", 0, root);
		return;
	}
	memcpy(root, tree->subtree[last], SHA256_BYTES);
	while (--last >= 0)
		hash_children(tree->subtree[last], root, root);
}
