// canonicalize.mjs DIRECTORY NUMBERS: writes DIRECTORY/steps, for COPY into the step table of
// test/interop/jcs, with what npm's canonicalize and node make of documents and of numbers.
import fs from 'node:fs';
import path from 'node:path';
import crypto from 'node:crypto';
import canonicalize from 'canonicalize';

const [directory, count] = process.argv.slice(2);
const escapes = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const steps = [];

function field(value) {
	return value === null ? '\\N' : value.replace(/[\\\n\r\t]/g, (c) => escapes[c]);
}

function add(trace, spelled, published, number, publishedNumber) {
	const fields = [trace, String(steps.length), spelled, published, spelled, number, publishedNumber];
	steps.push(fields.map(field).join('\t') + '\n');
}

const documents = fs.readFileSync(path.join(directory, 'documents'), 'utf8').split('\n').slice(0, -1);
for (const text of documents)
	add('documents', text, canonicalize(JSON.parse(text)), null, null);

let vectors = 0;
if (fs.existsSync(path.join(directory, 'input')))
	for (const name of fs.readdirSync(path.join(directory, 'input'))) {
		const input = fs.readFileSync(path.join(directory, 'input', name), 'utf8');
		const output = fs.readFileSync(path.join(directory, 'output', name), 'utf8').trimEnd();

		if (canonicalize(JSON.parse(input)) !== output)
			throw new Error(`canonicalize does not make of ${name} what was published`);
		add('vectors', input, output, null, null);
		add('vectors', output, output, null, null);
		vectors++;
	}

const random = new DataView(crypto.randomBytes(8 * Number(count)).buffer);
const powers = Array.from({ length: 2098 }, (_, i) => 2 ** (i - 1074));
const numbers = powers.concat(powers.map((p) => 3 * p), powers.map((p) => -p / 10));
for (let i = 0; i < count; i++)
	numbers.push(random.getFloat64(8 * i));
for (const number of numbers.filter(Number.isFinite))
	add('numbers', null, null, number.toPrecision(17), String(number));

fs.writeFileSync(path.join(directory, 'steps'), steps.join(''));
console.log(`${documents.length} documents, ${vectors} published vectors, ${steps.length} steps in all`);
