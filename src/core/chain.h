/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  The hash chain over the leaves of a trace, and the leaves themselves.
 *
 *	leaf    = H(0x00 || encoding id || payload digest || other values)
 *	h_0     = H("runlink-chain/v1\n" || JCS([tenant_id, run_id, trace_id]))
 *	h_i     = H(0x02 || h_(i-1) || leaf_i)
 *
 *-------------------------------------------------------------------------
 */
#ifndef RUNLINK_CHAIN_H
#define RUNLINK_CHAIN_H

#include "core/canonical.h"
#include "core/sha256.h"

extern void chain_begin(uint8 head[SHA256_BYTES], Canonical *scratch,
						const text *tenant_id, const text *run_id, const text *trace_id);
extern void chain_add(uint8 head[SHA256_BYTES], const uint8 leaf[SHA256_BYTES]);

#endif							/* RUNLINK_CHAIN_H */
