// What the server embeds: dist/upload.js and dist/upload.css under fixed names (the page names
// them), whatever else they need under names with their hash.
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
    rolldownOptions: {
      input: "src/main.tsx",
      output: {
        entryFileNames: "upload.js",
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith(".css")) ? "upload.css" : "[name]-[hash][extname]",
      },
    },
  },
});
