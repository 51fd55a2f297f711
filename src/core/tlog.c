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

/* Adds a leaf, and tells each node, of level 1 and up, that it completes; tell may be NULL. */
static inline void
add_leaf(MerkleTree *tree, const uint8 leaf[SHA256_BYTES], TellNode tell, void *sink)
{
	int			last = pg_popcount64(tree->size);
	MerkleNode	node = {0, tree->size};

	memcpy(tree->subtree[last], leaf, SHA256_BYTES);
	while (node.position & 1)
	{
		hash_children(tree->subtree[last - 1], tree->subtree[last], tree->subtree[last - 1]);
		last--;
		node.level++;
		node.position >>= 1;
		if (tell != NULL)
			tell(sink, &node, tree->subtree[last]);
	}
	tree->size++;
}

/* Adds a leaf, given by its hash. */
void
merkle_add(MerkleTree *tree, const uint8 leaf[SHA256_BYTES])
{
	add_leaf(tree, leaf, NULL, NULL);
}

/* Likewise; tells each node, of level 1 and up, that the leaf completes. */
void
merkle_add_and_tell(MerkleTree *tree, const uint8 leaf[SHA256_BYTES], TellNode tell, void *sink)
{
	add_leaf(tree, leaf, tell, sink);
}

/* Gives the root, MTH of RFC 6962. */
void
merkle_root(const MerkleTree *tree, uint8 root[SHA256_BYTES])
{
	merkle_join(tree->subtree, pg_popcount64(tree->size), root);
}

/*
 * Gives the root over complete subtrees side by side, each less than the one
 * before it; over none, that of the empty tree.
 */
void
merkle_join(const uint8 (*hashes)[SHA256_BYTES], int count, uint8 root[SHA256_BYTES])
{
	if (count == 0)
	{
		sha256_bytes("", 0, root);
		return;
	}
	memcpy(root, hashes[--count], SHA256_BYTES);
	while (--count >= 0)
		hash_children(hashes[count], root, root);
}

/* The largest power of two below size, which is 2 or more: where a tree is split. */
static uint64
split(uint64 size)
{
	return UINT64CONST(1) << pg_leftmost_one_pos64(size - 1);
}

static void
reverse(MerkleRange *ranges, int count)
{
	for (int i = 0; i < count / 2; i++)
	{
		MerkleRange range = ranges[i];

		ranges[i] = ranges[count - 1 - i];
		ranges[count - 1 - i] = range;
	}
}

/*
 * The ranges whose roots are the inclusion proof of leaf index, which is below
 * size: PATH of RFC 6962, its leaf's sibling first.  Returns how many they are.
 */
int
merkle_inclusion_ranges(uint64 index, uint64 size, MerkleRange ranges[MOST_RANGES])
{
	MerkleRange tree = {0, size};
	int			count = 0;

	while (tree.end - tree.first > 1)
	{
		uint64		middle = tree.first + split(tree.end - tree.first);

		if (index < middle)
		{
			ranges[count++] = (MerkleRange) {middle, tree.end};
			tree.end = middle;
		}
		else
		{
			ranges[count++] = (MerkleRange) {tree.first, middle};
			tree.first = middle;
		}
	}
	reverse(ranges, count);
	return count;
}

/*
 * The ranges whose roots are the proof that a tree of old_size leaves, at most
 * size, begins the one of size: PROOF of RFC 6962.  Returns how many they are.
 */
int
merkle_consistency_ranges(uint64 old_size, uint64 size, MerkleRange ranges[MOST_RANGES])
{
	MerkleRange tree = {0, size};
	int			count = 0;

	if (old_size == 0 || old_size == size)
		return 0;
	while (tree.end > old_size)
	{
		uint64		middle = tree.first + split(tree.end - tree.first);

		if (old_size <= middle)
		{
			ranges[count++] = (MerkleRange) {middle, tree.end};
			tree.end = middle;
		}
		else
		{
			ranges[count++] = (MerkleRange) {tree.first, middle};
			tree.first = middle;
		}
	}
	if (tree.first > 0)			/* else it is the old root, which is known */
		ranges[count++] = tree;
	reverse(ranges, count);
	return count;
}

/* The complete subtrees of a range of a tree, as merkle_join takes them. */
int
merkle_range_nodes(MerkleRange range, MerkleNode nodes[MOST_NODES])
{
	int			count = 0;

	while (range.first < range.end)
	{
		int			level = pg_leftmost_one_pos64(range.end - range.first);

		nodes[count++] = (MerkleNode) {level, range.first >> level};
		range.first += UINT64CONST(1) << level;
	}
	return count;
}

static bool
same_hash(const uint8 *left, const uint8 *right)
{
	return memcmp(left, right, SHA256_BYTES) == 0;
}

/* Does an inclusion proof hold?  RFC 9162, 2.1.3.2. */
bool
merkle_inclusion_ok(const uint8 leaf[SHA256_BYTES], uint64 index, uint64 size,
					const uint8 (*proof)[SHA256_BYTES], int count, const uint8 root[SHA256_BYTES])
{
	uint64		node = index;
	uint64		last = size - 1;
	uint8		hash[SHA256_BYTES];

	if (size > LARGEST_TREE || index >= size)
		return false;
	memcpy(hash, leaf, SHA256_BYTES);
	for (int i = 0; i < count; i++)
	{
		if (last == 0)
			return false;
		if ((node & 1) || node == last)
		{
			hash_children(proof[i], hash, hash);
			while (!(node & 1) && node != 0)
			{
				node >>= 1;
				last >>= 1;
			}
		}
		else
			hash_children(hash, proof[i], hash);
		node >>= 1;
		last >>= 1;
	}
	return last == 0 && same_hash(hash, root);
}

/* Folds the hashes of a consistency proof into both roots; RFC 9162, 2.1.4.2, from 3 on. */
static bool
consistency_holds(uint64 old_size, uint64 new_size, const uint8 *old_root, const uint8 *new_root,
				  const uint8 *first, const uint8 (*rest)[SHA256_BYTES], int count)
{
	uint64		node = old_size - 1;
	uint64		last = new_size - 1;
	uint8		old_hash[SHA256_BYTES];
	uint8		new_hash[SHA256_BYTES];

	while (node & 1)
	{
		node >>= 1;
		last >>= 1;
	}
	memcpy(old_hash, first, SHA256_BYTES);
	memcpy(new_hash, first, SHA256_BYTES);
	for (int i = 0; i < count; i++)
	{
		if (last == 0)
			return false;
		if ((node & 1) || node == last)
		{
			hash_children(rest[i], old_hash, old_hash);
			hash_children(rest[i], new_hash, new_hash);
			while (!(node & 1) && node != 0)
			{
				node >>= 1;
				last >>= 1;
			}
		}
		else
			hash_children(new_hash, rest[i], new_hash);
		node >>= 1;
		last >>= 1;
	}
	return last == 0 && same_hash(old_hash, old_root) && same_hash(new_hash, new_root);
}

/*
 * Does a consistency proof hold?  The empty tree begins every tree, and a tree
 * itself, with nothing to prove.
 */
bool
merkle_consistency_ok(uint64 old_size, uint64 new_size, const uint8 old_root[SHA256_BYTES],
					  const uint8 new_root[SHA256_BYTES], const uint8 (*proof)[SHA256_BYTES],
					  int count)
{
	uint8		empty[SHA256_BYTES];

	if (old_size > new_size || new_size > LARGEST_TREE)
		return false;
	if (old_size == 0)
	{
		merkle_join(NULL, 0, empty);
		return count == 0 && same_hash(old_root, empty) &&
			(new_size > 0 || same_hash(new_root, empty));
	}
	if (old_size == new_size)
		return count == 0 && same_hash(old_root, new_root);
	if (count == 0)
		return false;
	if ((old_size & (old_size - 1)) == 0)
		return consistency_holds(old_size, new_size, old_root, new_root, old_root, proof, count);
	return consistency_holds(old_size, new_size, old_root, new_root, proof[0], proof + 1,
							 count - 1);
}
