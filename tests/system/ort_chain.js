// Chains exported shards in ONNX Runtime: `node ort_chain.js ORT-DIR FOLDER`.
// FOLDER holds shards.json, the shards, and input_I.bin of the first shard;
// output_I.bin of the last one are written there.
const [dir, folder] = process.argv.slice(2);
const fs = require('fs');
const ort = require(dir + '/node_modules/onnxruntime-node');

const KINDS = {
  float32: Float32Array, int64: BigInt64Array, int32: Int32Array,
  int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};

// Unoptimised: on CPUs without VNNI its fused int8 kernels saturate (the whole
// mlperf_kws_dscnn_qdq, uncut, answers wrongly there with optimisation on).
const OPTIONS = { intraOpNumThreads: 1, graphOptimizationLevel: 'disabled' };

function read(path, port) {
  const bytes = fs.readFileSync(path);
  const copy = new Uint8Array(bytes).buffer;
  return new ort.Tensor(port.type, new KINDS[port.type](copy), port.shape);
}

(async () => {
  const chain = JSON.parse(fs.readFileSync(folder + '/shards.json', 'utf8'));
  let values = chain.shards[0].inputs.map((port, i) =>
    read(`${folder}/input_${i}.bin`, port));
  for (const shard of chain.shards) {
    const session = await ort.InferenceSession.create(
      `${folder}/${shard.file}`, OPTIONS);
    const feeds = {};
    shard.inputs.forEach((port, i) => { feeds[port.name] = values[i]; });
    const results = await session.run(feeds);
    values = shard.outputs.map((port) => results[port.name]);
  }
  values.forEach((t, i) => {
    fs.writeFileSync(`${folder}/output_${i}.bin`,
      Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength));
  });
})().catch((e) => { console.error(String(e)); process.exit(1); });
