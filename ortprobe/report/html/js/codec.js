// Reads what columns.py wrote: base64, raw deflate, byte planes, zigzag, deltas.

function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflateBlock(id) {
  const block = byId(id);
  const bytes = bytesOfBase64(block.textContent.trim());
  block.remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function inflateText(id) {
  return new TextDecoder().decode(await inflateBlock(id));
}

// Each column is decoded when it is first asked for: not all are needed to draw.
async function decodeColumns(id, spec) {
  const bytes = await inflateBlock(id), columns = {};
  let offset = 0;
  for (const [name, width, isDelta] of spec.columns) {
    const at = offset;
    let values = null;
    Object.defineProperty(columns, name, { get: () => (values ||= decodeColumn(bytes, at, spec.length, width, isDelta)) });
    offset += width * spec.length;
  }
  return columns;
}

// Doubles hold every integer of up to 53 bits, so nanoseconds of a capture stay exact.
function decodeColumn(bytes, offset, length, width, isDelta) {
  return width < 4 ? decodeSmall(bytes, offset, length, width, isDelta) : decodeLarge(bytes, offset, length, width, isDelta);
}

function decodeSmall(bytes, offset, length, width, isDelta) {
  const values = new Int32Array(length), second = offset + length, third = second + length;
  for (let i = 0; i < length; i++) values[i] = bytes[offset + i];
  if (width > 1) for (let i = 0; i < length; i++) values[i] |= bytes[second + i] << 8;
  if (width > 2) for (let i = 0; i < length; i++) values[i] |= bytes[third + i] << 16;
  for (let i = 0; i < length; i++) values[i] = (values[i] >>> 1) ^ -(values[i] & 1);
  return isDelta ? sums(values) : values;
}

// Differences may be small where their sums are not.
function sums(values) {
  const found = new Float64Array(values.length);
  let sum = 0;
  for (let i = 0; i < values.length; i++) found[i] = sum += values[i];
  return found;
}

function decodeLarge(bytes, offset, length, width, isDelta) {
  const values = new Float64Array(length), at = plane => offset + plane * length;
  const [first, second, third] = [at(0), at(1), at(2)];
  for (let i = 0; i < length; i++) values[i] = bytes[first + i] | (bytes[second + i] << 8) | (bytes[third + i] << 16);
  for (let plane = 3, weight = 2 ** 24; plane < width; plane++, weight *= 256) {
    const start = at(plane);
    for (let i = 0; i < length; i++) if (bytes[start + i]) values[i] += bytes[start + i] * weight;
  }
  for (let i = 0; i < length; i++) {
    const half = Math.floor(values[i] / 2);
    values[i] = values[i] - 2 * half ? -half - 1 : half;
  }
  return isDelta ? sums(values) : values;
}
