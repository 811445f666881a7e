//! `menshen users`: the registry from the command line, while Menshen is not running.

mod folder;
mod import;
mod person_file;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::import::import;
use super::config_args::ConfigArgs;
use super::language::help;
use super::output::print_line;
use super::remove_users::remove;
use crate::config::Settings;
use crate::ports::store::RegistryStore as _;
use crate::runtime::storage::{Storage, create_data_dir};

#[derive(Args)]
pub struct UsersArgs {
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Subcommand)]
enum UsersCommand {
    #[command(
        about = help(
            "Enrol people from a folder of photos, or from a table (CSV)",
            "批量导入人员：照片文件夹，或表格（CSV）"
        ),
        long_about = help(
            "Enrol people from a folder of photos, or from a table (CSV).\n\n\
             A folder: each photo (JPEG, PNG, WebP, BMP) is named name-id-department.jpg, or name-id.jpg, where the department is \
             the name of its subfolder. Subfolders are searched too. Names may be in UTF-8 or GBK.\n\n\
             A table: a CSV file in UTF-8 or GBK, separated by commas, semicolons or tabs, whose first line names the columns: \
             id, name, and as needed department, groups (ids of permission groups, separated by spaces or ;), type (employee, \
             visitor, vip, blacklist), photo, start_time, end_time; any other column is kept with the person. photo is a file \
             beside the table; where it is left out, ID.jpg. Columns may be named in Chinese.\n\n\
             An id that is there twice is refused in both places, since nobody knows which photo is right. Whoever is enrolled \
             already is updated. Exit code 1 when anybody was refused; each is named with the reason at the end.",
            "批量导入人员：照片文件夹，或表格（CSV）。\n\n\
             文件夹：照片（JPEG、PNG、WebP、BMP）命名为 姓名-编号-部门.jpg；或 姓名-编号.jpg，部门取子文件夹名。子文件夹一并导入。\
             文件名可为 UTF-8 或 GBK。\n\n\
             表格：UTF-8 或 GBK 的 CSV，以逗号、分号或制表符分隔，首行为列名：编号、姓名，及可选的 部门、权限组（权限组编号，以空格或 ; 分隔）、\
             类型（employee、visitor、vip、blacklist）、照片、start_time、end_time；其他列随人员保存。照片为表格旁的文件；不填则为 编号.jpg。\
             列名可用英文：id、name、department、groups、type、photo。\n\n\
             同一编号出现两次时均不导入，因为无法判断哪张照片正确。已入库的人员会更新。有人未能导入时退出码为 1，结尾逐一列出原因。"
        )
    )]
    Import {
        #[arg(help = help("The folder, or the table (.csv)", "文件夹，或表格（.csv）"))]
        from: PathBuf,
        #[arg(long, help = help(
            "Only say what would be enrolled and what refused; nothing is changed",
            "只说明将导入和不能导入的人员，不做修改"
        ))]
        dry_run: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Remove people, also while Menshen is running; one JSON object each",
        "删除人员（门神运行时亦可），每人输出一个 JSON 对象"
    ))]
    Remove {
        #[arg(required = true, value_name = "ID", help = help("Ids of the people", "人员编号"))]
        ids: Vec<String>,
        #[arg(long, help = help(
            "With everything kept of them: events, pictures and kept commands too; prints a receipt",
            "彻底擦除其全部数据（含事件、图片和保存的命令），并出具回执"
        ))]
        erase: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(
        about = help("What a person is called in the log, which holds no ids", "人员在日志中的代号（日志不含编号）"),
        long_about = help(
            "What a person is called in the log, which holds no ids.\n\n\
             The name is made of the id and this box's key, so it is the same in every log of this box and tells nobody else the id.",
            "人员在日志中的代号（日志不含编号）。\n\n\
             代号由编号和本机密钥生成：同一台盒子的日志中始终相同，他人无法由此得知编号。"
        )
    )]
    LogName {
        #[arg(help = help("The person's id", "人员编号"))]
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "List enrolled people: id, name, permission groups",
        "人员列表：编号、姓名、权限组"
    ))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &UsersArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        UsersCommand::Import { from, dry_run, config } => import(from, *dry_run, config.settings()?),
        UsersCommand::Remove { ids, erase, config } => remove(config.settings()?, ids, *erase),
        UsersCommand::List { config } => list(&config.settings()?),
        UsersCommand::LogName { id, config } => {
            print_line(&Storage::open(&config.settings()?)?.log_name(id));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// People by pages, so that a large registry needs no memory.
fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    const PAGE: usize = 500;
    create_data_dir(&settings.data_dir)?;
    let store = Storage::open(settings)?.registry()?;
    let mut after = None;
    loop {
        let page = store.page(after.as_deref(), PAGE)?;
        for person in &page {
            print_line(&format!("{}\t{}\t{}", person.id, person.name, person.permission_ids.join(",")));
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last.id),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}
