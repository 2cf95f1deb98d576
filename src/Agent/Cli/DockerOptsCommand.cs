using System.CommandLine;
using System.Text.RegularExpressions;
using Accelerated.Agent.Node;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Cli;

/// <summary><c>accelerated docker-opts</c>: flannel's <c>mk-docker-opts.sh</c>, option for option.</summary>
internal static partial class DockerOptsCommand
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>The command for the command line library.</summary>
    public static Command Create()
    {
        var input = new Option<string>("-f") { Description = "subnet.env, as the agent writes it", DefaultValueFactory = _ => "/run/flannel/subnet.env" };
        var output = new Option<string>("-d") { Description = "the file to write for Docker's unit (EnvironmentFile=)", DefaultValueFactory = _ => "/run/docker_opts.env" };
        var individual = new Option<bool>("-i") { Description = "only one variable for each option: DOCKER_OPT_BIP …" };
        var combined = new Option<bool>("-c") { Description = "only one variable with all options" };
        var withoutMasquerade = new Option<bool>("-m") { Description = "leave out --ip-masq" };
        var key = new Option<string>("-k") { Description = "name of the variable with all options", DefaultValueFactory = _ => "DOCKER_OPTS" };
        var command = new Command("docker-opts", "Make Docker's --bip, --mtu and --ip-masq out of subnet.env: flannel's mk-docker-opts.sh.")
        {
            input, output, individual, combined, withoutMasquerade, key,
        };
        command.SetAction(parsed => Run(
            parsed.GetValue(input)!, parsed.GetValue(output)!, parsed.GetValue(individual), parsed.GetValue(combined), !parsed.GetValue(withoutMasquerade), parsed.GetValue(key)!));
        return command;
    }

    private static int Run(string input, string output, bool individual, bool combined, bool masquerade, string key)
    {
        if (!Name().IsMatch(key))
            return Refuse($"-k {key}: expected the name of a variable, like DOCKER_OPTS", ExitCodes.Usage);
        try
        {
            // Neither of the two is both of them.
            var text = DockerOptions.Parse(File.ReadAllText(input), masquerade)
                .ToFileText(individual || !combined, combined || !individual ? key : null, Environment.GetEnvironmentVariable(key));
            AtomicFile.Write(output, text, Mode);
            return ExitCodes.Success;
        }
        catch (FormatException e)
        {
            return Refuse($"-f {input}: {e.Message}", ExitCodes.Failure);
        }
        catch (IOException e) when (e is FileNotFoundException or DirectoryNotFoundException && !File.Exists(input))
        {
            return Refuse($"-f {input} is not there: the agent writes it when the node is ready (accelerated status); start Docker after it", ExitCodes.Failure);
        }
        catch (DirectoryNotFoundException)
        {
            return Refuse($"-d {output} cannot be written: its folder is not there", ExitCodes.Failure);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Refuse($"{e.Message} (-f {input}, -d {output})", ExitCodes.Failure);
        }
    }

    private static int Refuse(string message, int code)
    {
        Console.Error.WriteLine($"accelerated docker-opts: {message}");
        return code;
    }

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex Name();
}
