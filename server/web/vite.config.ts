// What the server embeds: dist/upload.js, its worker dist/hashing.js and dist/upload.css under fixed
// names (the page names them), whatever else they need under names with their hash.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    assetsDir: "",
    // Everything from our own server, nothing inline: the page's policy allows no other.
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    // The licences of what is built in travel with it.
    license: { fileName: "licences.md" },
    rolldownOptions: {
      input: { upload: "src/main.tsx", hashing: "src/hashing.ts" },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith(".css")) ? "upload.css" : "[name]-[hash][extname]",
      },
    },
  },
});
