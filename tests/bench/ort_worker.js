// ONNX Runtime as a worker, one thread: `node ort_worker.js DIR MODEL`. For
// each line "N" on stdin it runs the model N times and prints the median in ms.
const [dir, model] = process.argv.slice(2);
const ort = require(dir + '/node_modules/onnxruntime-node');
const readline = require('readline');

(async () => {
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'all',
  });
  const feeds = {};
  for (const meta of session.inputMetadata) {
    const dims = meta.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 1));
    const n = dims.reduce((a, b) => a * b, 1);
    feeds[meta.name] = new ort.Tensor('float32',
      Float32Array.from({ length: n }, (_, i) => i / n), dims);
  }
  const median = async (n) => {
    const times = [];
    for (let i = 0; i < n; i++) {
      const from = process.hrtime.bigint();
      await session.run(feeds);
      times.push(Number(process.hrtime.bigint() - from) / 1e6);
    }
    return times.sort((a, b) => a - b)[n >> 1];
  };
  await median(3);
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log((await median(parseInt(line, 10))).toFixed(4));
  }
})();
