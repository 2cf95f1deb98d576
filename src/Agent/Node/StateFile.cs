using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Accelerated.Agent.Node;

/// <summary>
/// What the node knew when it last ran, so that a host that boots while etcd is away can carry packets. Two lines: a header with the
/// format's version and the SHA-256 of the second line, and the state as JSON. Replaced as a whole; only root may read it.
/// </summary>
/// <param name="directory"><c>--state-dir</c>.</param>
/// <param name="instance"><c>--instance</c>.</param>
public sealed class StateFile(string directory, string instance)
{
    private const string Magic = "accelerated-state 1 ";
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Where it is.</summary>
    public string FilePath { get; } = Path.Combine(directory, instance + ".state");

    /// <summary>Reads the last state, or null when there is none.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or from another version; the message says how.</exception>
    /// <exception cref="IOException">Not readable.</exception>
    /// <exception cref="UnauthorizedAccessException">Not readable.</exception>
    public SavedState? Load()
    {
        if (!File.Exists(FilePath))
            return null;
        var text = File.ReadAllText(FilePath);
        var end = text.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0 || !text.StartsWith(Magic, StringComparison.Ordinal))
            throw new InvalidDataException("it is not a state file of this version");
        var body = text[(end + 1)..].TrimEnd('\n');
        if (text[Magic.Length..end] != Checksum(body))
            throw new InvalidDataException("its checksum does not fit");
        try
        {
            return JsonSerializer.Deserialize(body, NodeJson.Default.SavedState) ?? throw new InvalidDataException("it is empty");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException("it is not JSON", e);
        }
    }

    /// <summary>Replaces the file.</summary>
    /// <exception cref="IOException">Not writable.</exception>
    /// <exception cref="UnauthorizedAccessException">Not writable.</exception>
    public void Save(SavedState state)
    {
        Directory.CreateDirectory(directory);
        var body = JsonSerializer.Serialize(state, NodeJson.Default.SavedState);
        AtomicFile.Write(FilePath, $"{Magic}{Checksum(body)}\n{body}\n", FileMode);
    }

    private static string Checksum(string body) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)));
}
