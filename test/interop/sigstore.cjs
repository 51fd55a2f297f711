// sigstore.cjs DIRECTORY: checks the checkpoints and inclusion proofs of test/interop/sigstore with the parts of
// npm's @sigstore/verify that check those of a transparency log.
const fs = require('fs');
const path = require('path');
const crypto = require('crypto');

const directory = process.argv[2];
const parts = path.join(directory, 'node_modules/@sigstore/verify/dist/timestamp');
const { verifyCheckpoint } = require(path.join(parts, 'checkpoint.js'));
const { verifyMerkleInclusion } = require(path.join(parts, 'merkle.js'));

// The key of the log, by the id that signatures in notes have.
const [, keyId, typedKey] = fs.readFileSync(path.join(directory, 'vkey'), 'utf8').trim().split('+');
const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(typedKey, 'base64').subarray(1)]);
const log = {
	logID: Buffer.from(keyId, 'hex'),
	publicKey: crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' }),
	validFor: { start: new Date(0), end: new Date(8640000000000000) },
};

// A seal's text: JCS of its members, of which none is nested.
function sealText(members) {
	return JSON.stringify(Object.fromEntries(Object.keys(members).sort().map((key) => [key, members[key]])));
}

function entryOf(line) {
	const { seal, proof } = JSON.parse(line);
	const [head, ...rest] = proof.split('\n\n');
	const [, index, ...hashes] = head.split('\n');
	const note = rest.join('\n\n');

	return {
		canonicalizedBody: Buffer.from(sealText(seal)),
		integratedTime: '1800000000',
		inclusionProof: {
			logIndex: index.replace('index ', ''),
			treeSize: note.split('\n')[1],
			rootHash: Buffer.from(note.split('\n')[2], 'base64'),
			hashes: hashes.map((hash) => Buffer.from(hash, 'base64')),
			checkpoint: { envelope: note },
		},
	};
}

function refused(check) {
	try {
		check();
	} catch (error) {
		return error.code === 'TLOG_INCLUSION_PROOF_ERROR';
	}
	return false;
}

const entries = fs.readFileSync(path.join(directory, 'entries'), 'utf8').split('\n').slice(0, -1).map(entryOf);
for (const entry of entries) {
	verifyCheckpoint(entry, [log]);
	verifyMerkleInclusion(entry);

	// And it would have said if anything were wrong.
	const proof = entry.inclusionProof;
	const otherSize = proof.checkpoint.envelope.replace(/\n\d+\n/, '\n1000\n');
	if (!refused(() => verifyMerkleInclusion({ ...entry, canonicalizedBody: Buffer.from('{}') })) ||
		!refused(() => verifyCheckpoint({ ...entry, inclusionProof: { ...proof, checkpoint: { envelope: otherSize } } }, [log])))
		throw new Error(`what is wrong with entry ${proof.logIndex} is not found`);
}
console.log(`${entries.length} entries: seal, inclusion proof, checkpoint and its signature`);
