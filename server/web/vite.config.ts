// What the server embeds: dist/upload.js and its worker dist/hashing.js under fixed names (the page names
// them), whatever else they need under names with their hash. The style is that of all pages: ../style.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    assetsDir: "",
    // Everything from our own server, nothing inline: the page's policy allows no other.
    assetsInlineLimit: 0,
    modulePreload: false,
    // The licences of what is built in travel with it.
    license: { fileName: "licences.md" },
    rolldownOptions: {
      input: { upload: "src/main.tsx", hashing: "src/hashing.ts" },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: "[name]-[hash][extname]",
      },
    },
  },
});
