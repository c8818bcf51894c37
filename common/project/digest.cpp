#include "common/project/digest.hpp"

#include <fmt/format.h>
#include <nettle/hmac.h>

#include <algorithm>
#include <array>
#include <set>

#include "common/base/random.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::project {

namespace {

class Hash {
public:
    explicit Hash(std::string_view secret) { hmac_sha256_set_key(&context_, secret.size(), bytes_of(secret)); }

    /// Its length goes in, too: "ab", "c" is not "a", "bc".
    Hash& add(std::string_view text) {
        const std::string length = std::to_string(text.size()) + ":";
        hmac_sha256_update(&context_, length.size(), bytes_of(length));
        hmac_sha256_update(&context_, text.size(), bytes_of(text));
        return *this;
    }
    std::string digits() {
        std::array<std::uint8_t, SHA256_DIGEST_SIZE> out;
        hmac_sha256_digest(&context_, out.size(), out.data());
        return base::to_hex(out);
    }

private:
    static const std::uint8_t* bytes_of(std::string_view text) {
        return reinterpret_cast<const std::uint8_t*>(text.data());
    }
    hmac_sha256_ctx context_;
};

std::string text_of(const schema::Json& json) {
    // Bytes that are no UTF-8 are replaced the same way each time; the environment goes in by itself.
    return json.dump(-1, ' ', false, schema::Json::error_handler_t::replace);
}

}  // namespace

Digests digests_of(const Process& process, std::string_view secret) {
    Digests out;
    for (const auto& field : schema::detail::object_codec<Process>().fields) {
        Hash hash(secret);
        hash.add(process.name).add(field.facts.key);
        hash.add(text_of(schema::detail::write_field(field, &process, schema::in_files)));
        out[field.facts.key] = hash.digits();
    }
    // What the fields alone do not say: how texts were understood, which numbers ports have, bytes of values.
    Hash run(secret), environment(secret), ports(secret), stop(secret);
    run.add(out["run"]).add(process.definition.shell ? "shell" : "words");
    for (const auto& word : process.definition.command) run.add(word);
    stop.add(out["stop_command"]).add(process.stop_in_shell ? "shell" : "words");
    for (const auto& [name, value] : process.environment) environment.add(name).add(value);
    for (const auto& [name, number] : process.port_numbers) ports.add(name).add(std::to_string(number));
    out["run"] = run.digits();
    out["stop_command"] = stop.digits();
    out["env"] = environment.digits();
    out["port"] = ports.digits();
    // Its files are what they have made of the environment.
    out.erase("env_file");
    return out;
}

std::string written_key_of(const std::string& variable) { return fmt::format("{} {}", written_key, variable); }

Digests written_digests(const Process& process, const Process& written, std::string_view secret) {
    Digests out;
    Hash all(secret);
    for (const auto& [name, text] : written.environment) {
        all.add(name).add(text);
        const auto value = process.environment.find(name);
        if (value == process.environment.end() || value->second == text) continue;
        out[written_key_of(name)] = Hash(secret).add(written_key).add(name).add(text).digits();
    }
    out[std::string(written_key)] = all.add(written_key).digits();
    return out;
}

Changes compare(const Digests& before, const Digests& now) {
    Changes out;
    for (const auto& field : schema::detail::object_codec<Process>().fields) {
        const auto old = before.find(field.facts.key);
        const auto present = now.find(field.facts.key);
        // A key that a version does not know has no say.
        if (old == before.end() || present == now.end() || old->second == present->second) continue;
        (field.facts.takes_restart ? out.restarting : out.live).emplace_back(field.facts.key);
    }
    return out;
}

namespace {

void add_files(Hash& hash, const Loaded& loaded) {
    for (const auto& file : loaded.files)
        hash.add(file.path).add(file.is_environment ? "environment" : "file").add(file.bytes);
}

}  // namespace

std::string content_digest(const Loaded& loaded, std::string_view secret) {
    Hash hash(secret);
    add_files(hash, loaded);
    return hash.digits();
}

std::string consent_digest(const Loaded& loaded, std::string_view secret) {
    Hash hash(secret);
    add_files(hash, loaded);
    if (loaded.project) {
        hash.add(loaded.project->file).add(loaded.project->name);
        for (const auto& process : loaded.project->processes)
            for (const auto& [key, digest] : digests_of(process, secret)) hash.add(process.name).add(key).add(digest);
    }
    for (const auto& [directory, real] : loaded.links) hash.add(directory).add(real);
    return hash.digits();
}

}  // namespace persistproc::project
