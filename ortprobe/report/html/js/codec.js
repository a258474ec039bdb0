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

async function decodeColumns(id, spec) {
  const bytes = await inflateBlock(id), columns = {};
  let offset = 0;
  for (const [name, width, isDelta] of spec.columns) {
    columns[name] = decodeColumn(bytes, offset, spec.length, width, isDelta);
    offset += width * spec.length;
  }
  return columns;
}

// Doubles hold every integer of up to 53 bits, so nanoseconds of a capture stay exact.
function decodeColumn(bytes, offset, length, width, isDelta) {
  const values = new Float64Array(length);
  for (let plane = width - 1; plane >= 0; plane--) {
    const start = offset + plane * length;
    for (let i = 0; i < length; i++) values[i] = values[i] * 256 + bytes[start + i];
  }
  let previous = 0;
  for (let i = 0; i < length; i++) {
    const half = Math.floor(values[i] / 2), signed = values[i] % 2 ? -half - 1 : half;
    values[i] = isDelta ? (previous += signed) : signed;
  }
  return values;
}
