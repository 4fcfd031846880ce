#include "tests/lab/symbols.h"

#include <elf.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <optional>

#include "base/file.h"

namespace everywatt::lab {
namespace {

template <class T>
std::optional<T> read_at(const std::string& bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string_view text_at(const std::string& bytes, std::uint64_t offset) {
  return offset < bytes.size() ? std::string_view{bytes.c_str() + offset} : std::string_view{};
}

std::optional<Elf64_Shdr> section(const std::string& bytes, const Elf64_Ehdr& header, std::uint64_t index) {
  return index < header.e_shnum ? read_at<Elf64_Shdr>(bytes, header.e_shoff + index * sizeof(Elf64_Shdr))
                                : std::nullopt;
}

// An undefined symbol is one that the dynamic linker passes over.
void take_away(std::string& bytes, const Elf64_Shdr& table, const Elf64_Shdr& names,
               const std::function<bool(std::string_view)>& is_taken) {
  for (std::uint64_t at = table.sh_offset; at + sizeof(Elf64_Sym) <= table.sh_offset + table.sh_size;
       at += sizeof(Elf64_Sym)) {
    auto symbol = read_at<Elf64_Sym>(bytes, at);
    if (!symbol) return;
    if (symbol->st_shndx == SHN_UNDEF || !is_taken(text_at(bytes, names.sh_offset + symbol->st_name))) continue;
    symbol->st_value = 0;
    symbol->st_shndx = SHN_UNDEF;
    std::memcpy(bytes.data() + at, &*symbol, sizeof *symbol);
  }
}

}  // namespace

Result<void> copy_without(const std::filesystem::path& library, const std::function<bool(std::string_view)>& is_taken,
                          const std::filesystem::path& to) {
  TRY(std::string bytes, read_text(library));
  const auto header = read_at<Elf64_Ehdr>(bytes, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64)
    return fail(Errc::malformed, library.string() + " is no 64-bit ELF library");
  for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto table = section(bytes, *header, i);
    if (!table || table->sh_type != SHT_DYNSYM) continue;
    if (const auto names = section(bytes, *header, table->sh_link)) take_away(bytes, *table, *names, is_taken);
  }
  std::ofstream out{to, std::ios::binary};
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) return fail(Errc::io, "write " + to.string() + ": is there room, and the folder?");
  return {};
}

}  // namespace everywatt::lab
