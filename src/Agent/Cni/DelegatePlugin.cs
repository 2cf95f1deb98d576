using System.Globalization;
using System.Text;
using System.Text.Json;
using Accelerated.Interop;

namespace Accelerated.Agent.Cni;

/// <summary>The plugin that does the work.</summary>
/// <param name="type">Its type, which is the name of its file.</param>
/// <param name="path">Where it is.</param>
internal sealed class DelegatePlugin(string type, string path)
{
    private const int MostErrorText = 1000;

    /// <summary>Looks for it in the folders of CNI_PATH.</summary>
    /// <exception cref="CniException">It is not there.</exception>
    public static DelegatePlugin Find(string type, string folders)
    {
        foreach (var folder in folders.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            if (Path.Combine(folder, type) is var path && File.Exists(path))
                return new(type, path);
        }

        throw new CniException(CniException.NoDelegate, $"failed to find plugin \"{type}\" in path [{folders}]",
            "install the CNI plugins (Debian: containernetworking-plugins) and link them into the runtime's plugin folder");
    }

    /// <summary>Calls it with this process's environment.</summary>
    /// <param name="configuration">Its configuration.</param>
    /// <param name="variables">What differs in the environment.</param>
    /// <returns>What it wrote to its standard output.</returns>
    /// <exception cref="CniException">It failed: its own error.</exception>
    public byte[] Call(byte[] configuration, params ReadOnlySpan<(string Name, string Value)> variables)
    {
        try
        {
            var result = ChildProgram.Run(path, configuration, variables);
            return result.ExitCode == 0 ? result.Output : throw Failure(result);
        }
        catch (NativeException e)
        {
            throw new CniException(CniException.NoDelegate, $"plugin \"{type}\" cannot be run: {e.Message}", null, e);
        }
    }

    /// <summary>Whether it speaks a version.</summary>
    /// <exception cref="CniException">It does not even say so.</exception>
    public bool Speaks(string version)
    {
        try
        {
            var answer = RawObject.Parse(Call("""{"cniVersion":"1.0.0"}"""u8.ToArray(), ("CNI_COMMAND", "VERSION")));
            return answer.Find("supportedVersions")?.Inside.Values.Any(v => v.Text == version) == true;
        }
        catch (JsonException e)
        {
            throw new CniException(CniException.SilentDelegate, $"plugin \"{type}\" does not say which versions it speaks", e.Message, e);
        }
    }

    private CniException Failure(ChildResult result)
    {
        try
        {
            var error = RawObject.Parse(result.Output);
            if (error.Find("msg")?.Text is { } message && error.Find("code") is { } code && int.TryParse(code.Json.Span, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                return new(number, $"{type}: {message}", error.Find("details")?.Text);
        }
        catch (JsonException)
        {
            // Then it is told by what it wrote.
        }

        var text = Encoding.UTF8.GetString(result.Errors.Length > 0 ? result.Errors : result.Output).Trim();
        return new(CniException.SilentDelegate, $"plugin \"{type}\" {(result.ExitCode is { } exit ? $"ended with exit code {exit}" : $"was ended by signal {result.Signal}")} and no readable error",
            text.Length == 0 ? null : text.Length > MostErrorText ? text[..MostErrorText] + "…" : text);
    }
}
