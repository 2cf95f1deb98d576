namespace Accelerated.Agent.Node;

/// <summary>
/// <c>subnet.env</c> on disk: directory 0755, file 0644 whatever the umask, replaced by rename so that no reader sees half of it.
/// </summary>
/// <param name="path">Where it is (<c>--subnet-file</c>).</param>
public sealed class SubnetFile(string path)
{
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private string? _written;

    /// <summary>The file's text, or null when there is none.</summary>
    public string? Read()
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>
    /// Writes <paramref name="text"/> unless this process wrote the same before and a file is still there. A file that others changed
    /// since is left alone: <c>mk-docker-opts.sh -d</c> is commonly pointed at this very path.
    /// </summary>
    /// <returns>Null when it did not write; else what stood there before, if anything.</returns>
    /// <exception cref="IOException">Not writable.</exception>
    /// <exception cref="UnauthorizedAccessException">Not writable.</exception>
    public SubnetFileWrite? Write(string text)
    {
        if (_written == text && File.Exists(path))
            return null;
        var before = Read();
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(directory))
        {
            Directory.CreateDirectory(directory);
            File.SetUnixFileMode(directory, DirectoryMode);
        }

        AtomicFile.Write(path, text, FileMode);
        _written = text;
        return new SubnetFileWrite(before);
    }
}

/// <summary>That <see cref="SubnetFile"/> was written.</summary>
/// <param name="Before">The text that stood there, or null.</param>
public sealed record SubnetFileWrite(string? Before);
