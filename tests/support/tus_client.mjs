// Uploads a file by tus-js-client, as it is published. Arguments: the endpoint, the file, options as JSON.
import { createReadStream, readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { Upload } from "tus-js-client";

const [endpoint, path, given] = process.argv.slice(2);
const options = JSON.parse(given);
const file = createReadStream(path);
const stream = options.uploadLengthDeferred ? file.pipe(new PassThrough()) : file; // a file has a length
const source = options.parallelUploads ? readFileSync(path) : stream;
const upload = new Upload(source, {
  endpoint,
  retryDelays: Array(100).fill(20),
  metadata: { filename: "a.tar.gz" },
  ...options,
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => console.log(upload.url),
});
upload.start();
