using System.Globalization;
using System.Text.Json;

namespace Accelerated.Agent.Cni;

/// <summary>
/// The delegates' configurations between ADD and DEL, where flannel's plugin keeps them (<c>dataDir</c>/container) and in its form, so
/// that either plugin deletes what the other has added. A container's further interfaces are kept beside its first, which flannel's
/// plugin overwrites.
/// </summary>
internal sealed class KeptConfigurations(string directory)
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode = FileMode | UnixFileMode.UserExecute;

    // Stands in neither a container's name nor an interface's.
    private const char Separator = ':';

    /// <summary>One that was kept.</summary>
    /// <param name="Path">The file.</param>
    /// <param name="ContainerId">The container.</param>
    /// <param name="InterfaceName">Its interface; null if flannel's plugin kept it, which does not say.</param>
    /// <param name="Content">The configuration; null if the file holds none.</param>
    public sealed record Entry(string Path, string ContainerId, string? InterfaceName, RawObject? Content);

    /// <summary>Keeps one; it is there whole or not at all.</summary>
    /// <exception cref="CniException">It cannot be written.</exception>
    public string Keep(string containerId, string interfaceName, byte[] content)
    {
        var path = FileOf(containerId, interfaceName);
        // A name that no container can have.
        var temporary = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $".{Environment.ProcessId}"));
        try
        {
            Directory.CreateDirectory(directory, DirectoryMode);
            File.Delete(temporary);
            using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = FileMode }))
                stream.Write(content);
            File.Move(temporary, path, overwrite: true);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
            throw new CniException(CniException.InputOutput, $"{path} cannot be written: {e.Message}", "what DEL needs is kept there: make room, or name another folder with \"dataDir\"", e);
        }
    }

    /// <summary>What was kept for an interface of a container; null if nothing was.</summary>
    /// <exception cref="CniException">It cannot be read.</exception>
    public Entry? Find(string containerId, string interfaceName)
    {
        if (Read(Path.Combine(directory, $"{containerId}{Separator}{interfaceName}")) is { } further)
            return further;
        return Read(Path.Combine(directory, containerId)) is { } first && (first.InterfaceName ?? interfaceName) == interfaceName ? first : null;
    }

    /// <summary>All that is kept.</summary>
    /// <exception cref="CniException">Something cannot be read.</exception>
    public IReadOnlyList<Entry> All() => Directory.Exists(directory)
        ? [.. Directory.EnumerateFiles(directory).Where(f => CniRequest.IsIdentifier(Path.GetFileName(f).Split(Separator)[0])).Select(Read).OfType<Entry>()]
        : [];

    /// <summary>Forgets one; that it stays is no error, DEL succeeds as often as it is called.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // ignoring: the next DEL or GC finds it again.
        }
    }

    private string FileOf(string containerId, string interfaceName) => Path.Combine(
        directory, Read(Path.Combine(directory, containerId)) is { } first && first.InterfaceName != interfaceName ? $"{containerId}{Separator}{interfaceName}" : containerId);

    private static Entry? Read(string path)
    {
        try
        {
            if (!File.Exists(path))
                return null;
            var content = Parse(File.ReadAllBytes(path));
            var name = Path.GetFileName(path).Split(Separator);
            return new(path, name[0], name.Length > 1 ? name[1] : content is { } kept ? DelegateConfiguration.InterfaceOf(kept) : null, content);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CniException(CniException.InputOutput, $"{path} cannot be read: {e.Message}", null, e);
        }
    }

    private static RawObject? Parse(byte[] text)
    {
        try
        {
            return RawObject.Parse(text) is { IsObject: true } root ? root : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
